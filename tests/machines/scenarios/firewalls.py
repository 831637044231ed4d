"""A node beside the programs that rule a host's firewall on Debian: ufw, firewalld and Docker."""

from __future__ import annotations

import re
from typing import Final

from tests.machines.bed import SESSION, Bed, Guest, expect
from tests.machines.scenarios.beside import more, stops_and_starts

SERVICE: Final = "systemd-run -q --unit=service python3 -m http.server --bind 10.8.0.1 9999"
"""What peers ask for on this host; their echoes get through most firewalls."""
ASKED: Final = "curl -s -o /dev/null -m {seconds} http://10.8.0.1:9999/"
IN_THE_WAY: Final = "appliance status --json | grep -q firewall-in-the-way"
TOLD: Final = "appliance status | grep '^warning'"
CONTAINER: Final = """set -e
tar -C $(dirname $(command -v busybox)) -c busybox | docker import - echo
docker run -d --name web --restart always echo /busybox httpd -f -p 80
docker inspect -f '{{.NetworkSettings.IPAddress}}' web
"""
FORWARDS: Final = "network: {forward: true, routes: [{to: 10.99.0.0/24, via: 192.0.2.2, device: wan}]}\n"
BEHIND: Final = """
peers:
  - name: left
    identity: {identity}
    endpoints: ["udp://192.0.2.1:8443"]
    allowed: [{address}/32, 10.8.0.1/32, "fd00:8::1/128"]
"""
FETCHED: Final = "curl -s -o /dev/null -m {seconds} http://{address}/"
DOCKERS: Final = "iptables -S; iptables -t nat -S; sysctl net.ipv4.ip_forward; ip route show dev docker0"


async def ufw(bed: Bed) -> str:
    """`ufw enable`: told of, with the command that helps; port and overlay are opened, reloads and new sessions go on."""
    guest, caller = bed.both
    await guest.sh(SERVICE)
    try:
        await guest.sh("ufw allow 22/tcp && ufw --force enable")
        await guest.until(IN_THE_WAY)
        told = await guest.sh(TOLD)
        expect("ufw allow 8443/udp" in told, f"not the command that helps: {told}")
        shut = await caller.code(ASKED.format(seconds=5))
        expect(shut != 0, "ufw let in what it should not")
        await guest.sh("ufw allow 8443/udp && ufw allow in on llp0")
        await guest.until(f"! {IN_THE_WAY}")
        await guest.sh("ufw reload")
        await _new_session(guest, caller)
        await stops_and_starts(guest, "nft -s list table ip filter; nft -s list table ip6 filter")
    finally:
        await _end(guest, "ufw --force disable; ufw --force reset; rm -f /etc/ufw/*.rules.*")
    await guest.until(SESSION)
    return f"{told.strip()}; {await bed.loss(5)}"


async def firewalld(bed: Bed) -> str:
    """firewalld starts beside the node: told of, with the commands that help; reloads under traffic leave our table alone."""
    guest, caller = bed.both
    await guest.sh(SERVICE)
    try:
        await guest.sh("systemctl start firewalld; until firewall-cmd --state; do sleep 1; done")
        await guest.until(IN_THE_WAY)
        told = await guest.sh(TOLD)
        expect("firewall-cmd --permanent --add-port=8443/udp" in told, f"not the command that helps: {told}")
        await guest.sh(
            "firewall-cmd --permanent --add-port=8443/udp; firewall-cmd --permanent --zone=trusted --add-interface=llp0"
        )
        await caller.sh("setsid -f ping -q -c 100 -i 0.2 -W 2 10.8.0.1 >/tmp/echoes 2>&1")
        await guest.sh("firewall-cmd --reload")
        await guest.until(f"! {IN_THE_WAY}")
        await caller.until("! pgrep -x ping")
        lost = re.findall(r"[\d.]+%", await caller.sh("cat /tmp/echoes"))[0]
        await _new_session(guest, caller)
        await stops_and_starts(guest, "nft -s list table inet firewalld")
    finally:
        await _end(guest, "systemctl stop firewalld; rm -f /etc/firewalld/zones/*")
    await guest.until(SESSION)
    return f"{told.strip()}; {lost} of 100 echoes lost over a reload; {await bed.loss(5)}"


async def docker(bed: Bed) -> str:
    """A container of this host and a peer: Docker's drop is told of, with what helps; either outlives a restart of the other."""
    guest, caller = bed.both
    identity = re.findall(r"llp1:\w+", bed.profile(caller))[0]
    await guest.sh("systemctl start docker")
    try:
        address = (await guest.sh(CONTAINER)).split()[-1]
        asked = FETCHED.format(seconds=5, address=address)
        async with more(guest, FORWARDS), more(caller, BEHIND.format(identity=identity, address=address)):
            await guest.until(IN_THE_WAY)
            told = await guest.sh(TOLD)
            expect("iptables -I DOCKER-USER -i llp0 -j ACCEPT" in told, f"not the command that helps: {told}")
            shut = await caller.code(asked)
            expect(shut != 0, "Docker let in what it should not")
            await guest.sh("for way in -i -o; do iptables -I DOCKER-USER $way llp0 -j ACCEPT; done")
            await guest.until(f"! {IN_THE_WAY}")
            await caller.until(asked)
            await guest.sh("docker exec web /busybox ping -c 1 -W 20 10.8.0.2")
            await guest.sh("systemctl restart docker")
            await caller.until(asked)
            await stops_and_starts(guest, DOCKERS)
            await caller.until(asked)
    finally:
        await _end(guest, "docker rm -f web; systemctl stop docker.socket docker containerd; ip link delete docker0")
    await guest.until(SESSION)
    return f"{told.strip()}; {await bed.loss(5)}"


async def _new_session(guest: Guest, caller: Guest) -> None:
    """One that the firewall has not seen begin; and a program of a peer reaches one of this host."""
    await caller.sh("systemctl restart appliance")
    await caller.until(SESSION)
    await guest.until(SESSION)
    await caller.until(ASKED.format(seconds=5))


async def _end(guest: Guest, script: str) -> None:
    await guest.sh(f"systemctl stop service; {script}; nft flush ruleset; systemctl restart appliance", check=False)


ALL: Final = (ufw, firewalld, docker)
