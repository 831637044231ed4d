#!/usr/bin/env bash
# For run.sh: the first process of namespaces of its own. It makes ROOT the root directory and runs the README's commands there.
#
#   inside.sh ROOT DIRECTORY... -- NAME=VALUE... -- [options for pytest]
#
# By pivot_root and not chroot, since the kernel forbids user namespaces to whoever is in a chroot.
set -euo pipefail

mount_devices() { # ROOT
  mount -t tmpfs -o mode=755,nosuid tmpfs "$1/dev"
  mkdir -p "$1/dev/net" "$1/dev/pts" "$1/dev/shm"
  local device
  for device in null zero full random urandom tty net/tun; do
    [ -e "/dev/$device" ] || continue
    touch "$1/dev/$device"
    mount --bind "/dev/$device" "$1/dev/$device"
  done
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$1/dev/pts"
  mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
  ln -s pts/ptmx "$1/dev/ptmx"
  ln -s /proc/self/fd "$1/dev/fd"
  local number=0 stream
  for stream in stdin stdout stderr; do ln -s "/proc/self/fd/$((number++))" "$1/dev/$stream"; done
}

root=$1
shift
mount --bind "$root" "$root" # pivot_root wants a mount point
mount_devices "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
for ((; $# > 0; )); do
  directory=$1
  shift
  [ "$directory" != -- ] || break
  mkdir -p "$root$directory"
  mount --rbind -o ro "$directory" "$root$directory"
done
environment=()
for ((; $# > 0; )); do
  variable=$1
  shift
  [ "$variable" != -- ] || break
  environment+=("$variable")
done
hostname bare
cd "$root"
pivot_root . .
umount -l .
cd /srv/appliance
# shellcheck disable=SC2016  # for the shell in there
exec env -i --default-signal HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${environment[@]}" \
  bash -euo pipefail -c '
    printf "bare: %s, %s\n" "$(. /etc/os-release && echo "$PRETTY_NAME")" "$(python3 --version)"
    time make demo
    time make test args="$*"' bash "$@"
