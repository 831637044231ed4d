#!/usr/bin/env bash
# Makes a part of a Debian from the mirror that apt of this machine is set to, with apt's settings:
#
#   packaging/mmdebstrap.sh SUITE TARGET [options for mmdebstrap]
set -euo pipefail
suite=$1 target=$2
shift 2
command -v mmdebstrap >/dev/null || { apt-get update -q && apt-get install -q -y --no-install-recommends mmdebstrap; } >&2
settings=$(mktemp)
trap 'rm -f "$settings"' EXIT
apt-config dump | grep -E '^Acquire::(https?::|Check-)' >"$settings" || true
"$(dirname "$0")/sources.sh" "$suite" | mmdebstrap -q --aptopt="$settings" "$@" "$suite" "$target" -
