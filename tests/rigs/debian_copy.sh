# For debian_copy.py: the first process of namespaces of its own. Runs the commands of standard input with a copy of SYSTEM as root
# file system, where what is written goes to memory:  sh debian_copy.sh DIRECTORY FOLDER SYSTEM
#
# FOLDER is seen there as /srv/given, and what is unlike SYSTEM as /srv/written. /run is empty, and no network of
# this machine is there.
set -eu
directory=$1 given=$2 system=$3 commands=$(cat)
mount -t tmpfs tmpfs "$directory"
mkdir "$directory/above" "$directory/work" "$directory/root"
mount -t overlay overlay -o "lowerdir=$system,upperdir=$directory/above,workdir=$directory/work" "$directory/root"
cd "$directory/root"
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs dev
mkdir dev/net
for device in null zero random urandom net/tun; do
  [ -e "/dev/$device" ] || continue
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mkdir -p srv/given srv/written
mount --bind -o ro "$given" srv/given
mount --bind -o ro "$directory/above" srv/written
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive \
  chroot . bash -euo pipefail -c "$commands" </dev/null
