#!/usr/bin/env bash
# Builds a wheel of every distribution of the workspace into DIRECTORY:  packaging/wheels.sh DIRECTORY
set -euo pipefail
cd "$(dirname "$0")/.."

uv=uv
command -v uv >/dev/null || uv=.tools/bin/uv
exec "${UV:-$uv}" build -q --all-packages --wheel --out-dir "$1"
