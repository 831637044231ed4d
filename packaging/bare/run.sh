#!/usr/bin/env bash
# The README's two commands on a Debian that has nothing but Python, make and git, on a fresh clone of this checkout.
#
#   packaging/bare/run.sh bookworm                make demo, then make test
#   packaging/bare/run.sh trixie -k replay -s     the same on Debian 13, with options for pytest
#
# The Debian comes from the mirror that apt of this machine is set to; build/bare keeps it, packed. inside.sh enters it. Whatever is
# mounted or started there ends with its namespaces; the files are removed here, also after Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf 'bare: %s\n' "$*" >&2; }

# Where pip, uv and apt of this machine look for packages, and whom they trust.
settings=(/etc/pip.conf /etc/xdg/pip /etc/uv "$HOME/.config/pip" "$HOME/.config/uv" /etc/apt/auth.conf /etc/apt/auth.conf.d)
trusted=(/etc/ssl/certs/ca-certificates.crt /usr/local/share/ca-certificates /etc/resolv.conf /etc/hosts)
variables='^(PIP_|UV_|SSL_CERT_|REQUESTS_CA_BUNDLE=|CURL_CA_BUNDLE=|[a-z]+_proxy=|[A-Z]+_PROXY=|TERM=|LANG=)'

pack_debian() { # SUITE FILE
  say "making a minimal Debian ($1)"
  packaging/mmdebstrap.sh "$1" "$2.part" --format=tar --variant=minbase --include=python3,make,git
  mv "$2.part" "$2"
}

bring_settings() {
  local path
  for path in "${settings[@]}" "${trusted[@]}"; do
    [ -e "$path" ] || continue
    mkdir -p "$root${path%/*}"
    cp -rL "$path" "$root${path%/*}/"
  done
}

# Directories of packages that those settings name, to be seen at the same place.
package_directories() {
  { cat /dev/null "${settings[@]/%//*}" "${settings[@]}" 2>/dev/null || true; env | grep -E '^(PIP|UV)_' || true; } |
    grep -oE '/[A-Za-z0-9._/-]+' | sort -u | while read -r path; do [ ! -d "$path" ] || printf '%s\n' "$path"; done
}

# What is committed, and over it what is not yet.
bring_checkout() { # TO
  git clone -q --no-hardlinks . "$1"
  git ls-files -z --deleted | (cd "$1" && xargs -0r rm -f)
  git ls-files -z --modified --others --exclude-standard --deduplicate | while IFS= read -r -d '' path; do
    [ ! -e "$path" ] || printf '%s\0' "$path"
  done | tar -c --null -T - | tar -x -C "$1"
}

end_inside() { # SIGNAL STATUS
  trap '' INT TERM HUP
  kill "-$1" -- "-$inside" 2>/dev/null || true
  for _ in $(seq 100); do kill -0 -- "-$inside" 2>/dev/null || break; sleep 0.1; done
  kill -KILL -- "-$inside" 2>/dev/null || true
  exit "$2"
}

[ "$(id -u)" = 0 ] || { say "needs root: it makes a Debian and mounts into it"; exit 1; }
suite=$1
shift
packed="build/bare/$suite.tar"
mkdir -p build/bare
[ -s "$packed" ] || pack_debian "$suite" "$packed"
root="$(mktemp -d "$PWD/build/bare/root.XXXXXX")"
trap 'rm -rf --one-file-system "$root"' EXIT
chmod 755 "$root"
tar -x --numeric-owner -C "$root" -f "$packed"
bring_settings
bring_checkout "$root/srv/appliance" # where everybody may read it: some tests are nobody
mapfile -t passed < <(env | grep -E "$variables")
mapfile -t directories < <(package_directories)

# A process group of its own, so that all of it can be told to end before the files go.
set -m
unshare --mount --pid --ipc --uts --fork --kill-child \
  packaging/bare/inside.sh "$root" "${directories[@]}" -- "${passed[@]}" -- "$@" </dev/null &
inside=$!
set +m
trap 'end_inside INT 130' INT
trap 'end_inside TERM 143' TERM
trap 'end_inside HUP 129' HUP
wait "$inside"
