#!/usr/bin/env bash
# Runs the Python of a Debian, without its site packages; for building only:  packaging/debian/python.sh SUITE [options for Python]
#
# Bytecode is for one minor version of Python. If this machine has another Debian, the interpreter and the C library of the wanted one
# are unpacked below ~/.cache, once, and run from there, for which nobody need be root.
set -euo pipefail
suite=$1
shift
# shellcheck disable=SC1091
if [ "$suite" = "$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")" ]; then
  exec /usr/bin/python3 -I "$@"
fi
root="${XDG_CACHE_HOME:-$HOME/.cache}/appliance/debian/$suite-python"
if [ ! -d "$root" ]; then
  mkdir -p "${root%/*}"
  part=$(mktemp -d "$root.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  "$(dirname "$0")/../mmdebstrap.sh" "$suite" "$part" --variant=extract --include=python3-minimal
  mv -T "$part" "$root" 2>/dev/null || [ -d "$root" ] # somebody else was faster
fi
loader=("$root"/usr/lib/*/ld-linux-*.so.*)
exec "${loader[0]}" --library-path "$(dirname "${loader[0]}")" "$root/usr/bin/python3" -I "$@"
