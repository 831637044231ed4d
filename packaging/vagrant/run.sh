#!/usr/bin/env bash
# Runs a lab file on machines that Vagrant makes, and removes them whatever happens:  LAB=profiles/lab/hub.yaml packaging/vagrant/run.sh
#
# What else it takes from the environment is said in the Vagrantfile. Arguments go to `appliance lab`. The exit code is the lab's; 130
# after Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/../.."
export LAB=${LAB:-profiles/lab/pair.yaml}
hosts=build/vagrant/ssh_config
begun=$SECONDS

say() { printf 'vagrant: %s\n' "$*" >&2; }
fail() { say "$*" && exit 1; }

# In a session of its own: a second Ctrl-C would leave machines half-way.
remove() {
  local code=$?
  trap '' INT TERM HUP
  say "removing the machines"
  setsid --wait vagrant destroy -f </dev/null >&2 || { say "they could not be removed: vagrant destroy -f"; [ $code != 0 ] || code=1; }
  rm -f "$hosts"
  say "ended with $code after $((SECONDS - begun)) s"
  exit $code
}

command -v vagrant >/dev/null || fail "there is no vagrant (Debian package vagrant)"
vagrant validate --ignore-provider >/dev/null # a lab file that cannot be had so ends here, before anything is made
command -v VBoxManage >/dev/null || vagrant plugin list | grep -q '^vagrant-libvirt ' ||
  fail "no provider: install VirtualBox, or libvirt and its plugin (Debian packages vagrant-libvirt libvirt-daemon-system)"
there=$(vagrant status --machine-readable | awk -F, '$3 == "state" && $4 != "not_created" { print $2 }' | paste -sd ' ')
[ -z "$there" ] || fail "machines of these names are there already ($there), and may be somebody's: vagrant destroy -f removes them"
mkdir -p build/vagrant
trap remove EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
say "making the machines of $LAB"
vagrant up </dev/null >&2
vagrant ssh-config >"$hosts"
say "up after $((SECONDS - begun)) s; the lab"
.venv/bin/appliance lab "$LAB" --on "$hosts" "$@"
