#!/usr/bin/env bash
# On a machine of Vagrant, as root: gives its cards the names, MTUs and addresses of the lab file, for now and for each boot after.
#
#   wires.sh NAME=MAC=MTU=ADDRESS[,ADDRESS] ...
#
# Vagrant itself gives a card one address, names none, and lets the host take the first address of each network.
set -euo pipefail

device_of() { ip -o link | awk -v mac="$1" 'tolower($0) ~ "link/ether " mac { sub(/[:@].*/, "", $2); print $2; exit }'; }

command -v python3 >/dev/null || { apt-get update -q && apt-get install -q -y --no-install-recommends python3; }
rm -f /etc/systemd/network/10-lab-*
for wire in "$@"; do
  IFS='=' read -r name mac mtu addresses <<<"$wire"
  device=$(device_of "$mac")
  if [ -z "$device" ]; then
    echo "this machine has no card $mac for the wire $name: it was made for another lab file; vagrant destroy -f, then vagrant up" >&2
    exit 1
  fi
  file=/etc/systemd/network/10-lab-$name
  printf '[Match]\nMACAddress=%s\n[Link]\nName=%s\nMTUBytes=%s\n' "$mac" "$name" "$mtu" >"$file.link"
  {
    printf '[Match]\nMACAddress=%s\n[Network]\nIPv6AcceptRA=no\n' "$mac"
    for address in ${addresses//,/ }; do printf '[Address]\nAddress=%s\nDuplicateAddressDetection=none\n' "$address"; done
  } >"$file.network"
  ip link set "$device" down
  [ "$device" = "$name" ] || ip link set "$device" name "$name"
  ip link set "$name" mtu "$mtu" up
done
systemctl -q enable systemd-networkd
systemctl restart systemd-networkd
for wire in "$@"; do
  /lib/systemd/systemd-networkd-wait-online --timeout 60 --interface "${wire%%=*}"
done
