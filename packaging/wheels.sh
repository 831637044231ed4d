#!/usr/bin/env bash
# Builds a wheel of every distribution of the workspace into DIRECTORY:  packaging/wheels.sh DIRECTORY
set -euo pipefail
out=$(realpath -m "$1")
cd "$(dirname "$0")/.."

uv=${UV:-uv}
command -v "$uv" >/dev/null || uv=.tools/bin/uv
"$uv" build -q --all-packages --wheel --no-create-gitignore --out-dir "$out"
