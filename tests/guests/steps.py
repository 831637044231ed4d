"""What an admin does to two nodes, and what must come of it. Each step raises with what was wrong, or returns what it saw."""

from __future__ import annotations

import json

from tests.guests.guest import Guest, Unreachable
from tests.guests.pair import MTU, PROFILE, Pair, expect, is_active, main_pid, mtu, status

RUNS = "appliance status --json | grep -q '\"ready\": true'"
SPEED = "iperf3 -J -c {address} -t {seconds} -O 1"
OPEN_TUN = """
import fcntl, struct
device = open('/dev/net/tun', 'r+b', buffering=0)
try: fcntl.ioctl(device, 0x400454CA, struct.pack('16sH22x', b'llp0', {flags}))
except OSError as error: print(error.errno)
else: print(0)
"""


def machines(pair: Pair) -> str:
    """Which system this is, and which offload each card has."""
    told = []
    for guest in pair.both:
        words = guest.run("uname -r; python3 -V; ethtool -k wan | grep -E 'tx-checksumming|tx-udp-segmentation'").split("\n")
        told.append(f"{guest.name}: " + ", ".join(filter(None, map(str.strip, words))))
    return "; ".join(told)


def nodes_start(pair: Pair) -> str:
    """Identities, profiles, `systemctl enable --now`."""
    for guest in pair.both:
        pair.identities[guest.name] = guest.run("appliance keys new /etc/appliance/identity 2>/dev/null").strip()
    for guest in pair.both:
        guest.write(PROFILE, pair.profile(guest), "600")
        guest.run("appliance check; systemctl enable -q --now appliance")
    taken = pair.right.until('appliance status --json | grep -q \'"state": "active"\'')
    times = [
        guest.run("systemctl show appliance -p InactiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic --value")
        for guest in pair.both
    ]
    starts = [abs(int(begun) - int(ready)) / 1e6 for begun, ready in (each.split() for each in times)]
    return f"start took {starts[0]:.1f} s and {starts[1]:.1f} s; session {taken:.1f} s later; {pair.loss()}"


def sandbox(pair: Pair) -> str:
    """What systemd thinks of the service, whose the processes and the device are."""
    guest = pair.left
    score = guest.run("systemd-analyze --no-pager security appliance.service | tail -1").strip()
    worker = status(guest)["worker"]["pid"]
    script = "grep -E '^(Uid|CapEff|Seccomp_filters):' /proc/{}/status | awk '{{print $2}}'"
    user, capabilities, filters = guest.run(script.format(worker)).split()
    expect(user == guest.run("id -u appliance").strip(), f"the worker's user is {user}")
    expect(int(capabilities, 16) == 0, f"the worker has capabilities {capabilities}")
    others = guest.run(script.format(main_pid(guest))).split()[2]
    expect(int(filters) == int(others) + 1, f"{filters} filters in the worker, {others} in the control process")
    guest.run("id -u mallory >/dev/null 2>&1 || useradd -m mallory")
    codes = []
    for flags in ("0x5001", "0x5101"):
        guest.write("/tmp/open.py", OPEN_TUN.format(flags=flags))
        codes.append(guest.run("runuser -u mallory python3 /tmp/open.py").strip())
    expect(set(codes) <= {"1", "22"} and "1" in codes, f"an ordinary user's TUNSETIFF gave {codes}")
    return f"{score}; the worker is appliance, without capabilities, filtered; TUNSETIFF by a user: errno {' and '.join(codes)}"


def throughput(pair: Pair) -> str:
    """Both ways; then with right's checksum offload switched off and on again under way."""
    pair.left.run("pkill iperf3; setsid -f iperf3 -s >/dev/null 2>&1; sleep 1", check=False)
    told = [f"left has no offload, right has: {_speeds(pair.right)}"]
    for state in ("off", "on"):
        before = status(pair.right)["sessions"][0]["session"]
        pair.right.run("setsid -f iperf3 -c 10.8.0.1 -t 12 -J >/tmp/switched.json 2>&1; sleep 4")
        pair.right.run(f"ethtool -K wan tx {state}")
        pair.right.until("! pgrep -x iperf3 >/dev/null")
        seconds = [
            part["sum"]["bits_per_second"] / 1e6 for part in json.loads(pair.right.run("cat /tmp/switched.json"))["intervals"]
        ]
        expect(sum(seconds[-5:]) > 0, f"tx {state}: nothing came through after the switch: {seconds}")
        expect(status(pair.right)["sessions"][0]["session"] == before, f"tx {state}: the session was lost")
        told.append(
            f"switched {state} under way: {' '.join(f'{each:.0f}' for each in seconds)} Mbit/s; then {_speeds(pair.right)}"
        )
    drops = {guest.name: status(guest)["drops"] for guest in pair.both}
    said = pair.right.run("journalctl -u appliance --no-pager -o cat | grep -i offload | tail -3", check=False).strip()
    return "; ".join([*told, f"{pair.loss()}; drops {drops}; right's log: {said or 'nothing of offloads'}"])


def _speeds(guest: Guest) -> str:
    told = []
    for label, option in (("out", ""), ("in", "-R")):
        answer = json.loads(guest.run(f"{SPEED.format(address='10.8.0.1', seconds=4)} {option}", check=False))
        told.append(f"{label} {answer['end']['sum_received']['bits_per_second'] / 1e6:.0f} Mbit/s")
    return ", ".join(told)


def unconfirmed_and_killed(pair: Pair) -> str:
    """kill -9 within the window of a change: the profile before is in force, and the change stays refused."""
    guest = pair.left
    guest.write(PROFILE, pair.profile(guest, mtu=1380), "600")
    guest.run("appliance apply --confirm-within 10min")
    expect(mtu(guest) == 1380, "the change is not in force")
    guest.run("kill -9 $(systemctl show -p MainPID --value appliance)")
    guest.until(RUNS)
    expect(mtu(guest) == MTU, f"after kill -9 the MTU is {mtu(guest)}")
    codes = {word: guest.code(word) for word in ("appliance apply", "systemctl reload appliance", "systemctl restart appliance")}
    guest.until(RUNS)
    expect(mtu(guest) == MTU, f"a restart brought the refused profile into force: {codes}")
    expect(codes["appliance apply"] == 8, f"apply of what nobody confirmed: {codes}")
    return f"back after kill -9; refused afterwards: {codes}; {pair.loss(5)}"


def unconfirmed_and_without_power(pair: Pair) -> str:
    """The same with a loss of power: the deadline and the profile before outlive it."""
    guest = pair.left
    guest.write(PROFILE, pair.profile(guest, mtu=1370), "600")
    guest.run("appliance apply --confirm-within 10min && sync")
    expect(mtu(guest) == 1370, "the change is not in force")
    guest.boot_again()
    guest.until(RUNS)
    expect(mtu(guest) == MTU, f"after the boot the MTU is {mtu(guest)}")
    return f"back after a loss of power; {pair.loss(5)}"


def confirmed_and_without_power(pair: Pair) -> str:
    """A confirmed change is there after a boot."""
    guest = pair.left
    guest.write(PROFILE, pair.profile(guest, mtu=1360), "600")
    guest.run("appliance apply --confirm-within 10min && appliance confirm && sync")
    guest.boot_again()
    guest.until(RUNS)
    expect(mtu(guest) == 1360, f"after the boot the MTU is {mtu(guest)}")
    return f"the change is there after a loss of power; {pair.loss(5)}"


def rolled_back(pair: Pair) -> str:
    """What was rolled back stays so, under Restart=always too."""
    guest = pair.left
    guest.write(PROFILE, pair.profile(guest, mtu=1350), "600")
    guest.run("appliance apply")
    answer = guest.run("appliance rollback").strip()
    guest.run("kill -9 $(systemctl show -p MainPID --value appliance)")
    guest.until(RUNS)
    expect(mtu(guest) == 1360, f"after rollback and a new start the MTU is {mtu(guest)}")
    guest.write(PROFILE, pair.profile(guest), "600")
    guest.run("appliance apply")
    return f"{answer}; the same after kill -9"


def stopped_worker(pair: Pair) -> str:
    """SIGSTOP of a worker."""
    guest = pair.left
    worker = status(guest)["worker"]["pid"]
    guest.run(f"kill -STOP {worker}")
    taken = guest.until("appliance status --json | grep -q '\"restarts\": [1-9]' && ping -c 1 -W 2 10.8.0.2")
    words = guest.run("journalctl -u appliance --no-pager -o cat | grep -E 'does not answer|restarted' | tail -2")
    return f"traffic back after {taken:.1f} s; the log: {' / '.join(words.strip().splitlines())}; {pair.loss(5)}"


def stopped_daemon(pair: Pair) -> str:
    """SIGSTOP of the control process: a reload fails soon and does nothing later, systemd starts it anew."""
    guest = pair.left
    pid = main_pid(guest)
    guest.write(PROFILE, pair.profile(guest, mtu=1340), "600")
    guest.run(f"kill -STOP {pid}")
    code = guest.code("timeout 60 systemctl reload appliance")
    guest.write(PROFILE, pair.profile(guest), "600")
    expect(code != 0, "the reload of a stopped daemon succeeded")
    taken = guest.until(f"test $(systemctl show -p MainPID --value appliance) != {pid} && {RUNS}")
    expect(mtu(guest) == MTU, f"the reload was carried out all the same: MTU {mtu(guest)}")
    words = guest.run("journalctl -u appliance --no-pager -o cat | grep -iE 'watchdog' | tail -1").strip()
    return f"reload ended with {code}; systemd: {words}; running again {taken:.1f} s later; {pair.loss(5)}"


def profiles_elsewhere(pair: Pair) -> str:
    """`apply PATH` of files that the service cannot see, and what a boot will use."""
    guest, told = pair.left, []
    for number, path in enumerate(("/root/p.yaml", "/home/p.yaml", "/tmp/p.yaml")):
        guest.write(path, pair.profile(guest, mtu=1330 - number), "600")
        answer = guest.run(f"appliance apply {path}", check=False).strip()
        expect(mtu(guest) == 1330 - number or "hint" in answer, f"{path}: {answer}")
        told.append(f"{path}: MTU {mtu(guest)} ({answer.splitlines()[0] if answer else ''})")
    lines = [
        line for line in guest.run("appliance status", check=False).splitlines() if "profile" in line.lower() or "boot" in line
    ]
    guest.run("systemctl restart appliance")
    guest.until(RUNS)
    told.append(f"status: {' / '.join(lines)}; after a restart MTU {mtu(guest)}")
    guest.run("appliance apply " + PROFILE, check=False)
    return "; ".join(told)


def journal(pair: Pair) -> str:
    """Fields to ask for, and nothing twice in the text."""
    found = pair.left.run("journalctl PEER=right -o json -n 1 --no-pager").strip()
    expect(bool(found), "no entry with PEER=right")
    entry = json.loads(found)
    expect(" node=" not in entry["MESSAGE"] and not entry["MESSAGE"].startswith("info"), entry["MESSAGE"])
    kept = {name: entry[name] for name in ("MESSAGE", "PRIORITY", "COMPONENT", "NODE", "PEER", "SESSION") if name in entry}
    return json.dumps(kept)


def node_stops(pair: Pair) -> str:
    """`systemctl stop` leaves no trace."""
    guest = pair.left
    guest.run("systemctl stop appliance")
    expect(guest.code("ip link show llp0") != 0, "the device is still there")
    left = guest.run("find /run/appliance -mindepth 1").split()
    expect(not left, f"left: {left}")
    return f"{is_active(guest)}; no device, nothing below /run/appliance"


STEPS = (
    machines, nodes_start, sandbox, throughput, stopped_worker, stopped_daemon, unconfirmed_and_killed,
    unconfirmed_and_without_power, confirmed_and_without_power, rolled_back, profiles_elsewhere, journal, node_stops,
)  # fmt: skip


def after_failure(pair: Pair) -> None:
    """Bring both nodes back to what the next step begins with, as far as that is possible."""
    for guest in pair.both:
        try:
            guest.write(PROFILE, pair.profile(guest), "600")
            guest.run("appliance confirm --refused; systemctl restart appliance", check=False)
            guest.until(RUNS)
        except (Unreachable, KeyError):
            continue
