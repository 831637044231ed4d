"""A host that nobody logs in to: cloud-init makes it a member, from packaging/cloud-init/user-data.yaml."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shlex
from pathlib import Path
from typing import Final

from appliance.lab.packages import Packages
from tests.machines.bed import Bed, Guest, expect

USER_DATA: Final = Path(__file__).parents[3] / "packaging/cloud-init/user-data.yaml"
FOUNDER: Final = "192.0.2.1"
FORGET: Final = "systemctl stop appliance; rm -rf /etc/appliance/* /var/lib/appliance/*"
"""Both come with what a lab gives to its hosts."""
PURGE: Final = "dpkg --purge appliance; rm -rf /etc/appliance"
"""A new host of a cloud has no package of ours."""
PATIENCE: Final = 1800.0
"""Seconds for a first boot in which a package is installed, where other guests are busy too."""
SEED: Final = Path("/var/lib/cloud/seed/nocloud")
"""Where cloud-init's data source NoCloud finds what a cloud would tell. The other place is a disk with the label `cidata`."""
KEPT: Final = """network: {config: disabled}
datasource_list: [NoCloud]
disable_root: false
ssh_deletekeys: false
locale: false
resize_rootfs: false
"""
"""cloud-init leaves alone what the lab reaches the guest by, and locales, which the image has none of."""
ENABLE: Final = (
    "systemctl -q enable $(systemctl list-unit-files --no-legend --state=disabled 'cloud-*.service' | cut -d' ' -f1); sync"
)
"""Their names are others on Debian 13."""
READABLE: Final = "find / /run -xdev -type f -perm /044 -print0 | xargs -0 -r grep -laF -e {secret}"
LOGGED: Final = "(journalctl -o cat; cat /var/log/cloud-init*.log) | grep -cF -e {secret}"


async def joins_by_cloud_init(bed: Bed) -> str:
    """A new host with our user data, its founder away at first: it joins, and stays through a boot; nobody can read its code."""
    founder, newcomer = bed.both
    code, _ = await asyncio.gather(_found(founder), newcomer.sh(f"{FORGET}; {PURGE}"))
    await founder.sh("systemctl stop appliance")
    await _seed(newcomer, _filled(code, await _offer_package(founder)))
    await newcomer.boot_again(expect_node=False)
    await newcomer.until("journalctl -u appliance-join -o cat | grep -q 'not reached'", PATIENCE)
    await founder.sh("systemctl start appliance")
    joined = await founder.until("appliance ping newcomer --count 1", PATIENCE)
    expect(await newcomer.code("cloud-init status --wait") == 0, await newcomer.sh("cloud-init status --long", check=False))
    await _expect_that_nobody_sees(newcomer, code)
    await newcomer.boot_again()
    again = await newcomer.sh("journalctl -b -u appliance-join -u cloud-final -o cat")
    expect("calling" not in again and "apt-helper" not in again, f"at the second boot: {again}")
    await founder.until("appliance ping newcomer --count 1")
    return f"a member {joined:.0f} s after the founder came back; the code is in no log and no file for others"


async def _found(guest: Guest) -> str:
    """A network, and a code for one host."""
    await guest.sh(f"{FORGET}; appliance network new home --name founder && systemctl enable --now appliance")
    return str(json.loads(await guest.sh("appliance network invite newcomer --ttl 1d --json"))["code"])


async def _offer_package(guest: Guest) -> str:
    """By HTTP. Returns its SHA-256."""
    image = guest.machine.guest.image
    package = Packages().find(image.suite, image.arch).read_bytes()
    await asyncio.to_thread(guest.machine.put, Path("/srv/apt/appliance.deb"), package, 0o644)
    await guest.sh("systemd-run -q -u offered python3 -m http.server --directory /srv/apt 80")
    return hashlib.sha256(package).hexdigest()


def _filled(code: str, digest: str) -> str:
    """The user data, with what its author is to write into it."""
    text = USER_DATA.read_text()
    for word, value in (("content: CODE", f"content: {code}"), ("https://example.com", f"http://{FOUNDER}"), ("DIGEST", digest)):
        expect(text.count(word) == 1, f"{word} is not once in {USER_DATA.name}")
        text = text.replace(word, value)
    return text


async def _seed(guest: Guest, user_data: str) -> None:
    """What a cloud would give it at the next boot, which is the first one for cloud-init."""
    await guest.write(SEED / "user-data", user_data, 0o600)
    await guest.write(SEED / "meta-data", "instance-id: first\nlocal-hostname: newcomer\n")
    await guest.write("/etc/cloud/cloud.cfg.d/99-guest.cfg", KEPT)
    await guest.sh(ENABLE)


async def _expect_that_nobody_sees(guest: Guest, code: str) -> None:
    secret = shlex.quote(code[-23:])
    files = (await guest.sh("ls /root")).split()
    expect("appliance-code" not in files, f"/root has {files}")
    own = await guest.sh(f"grep -lF -e {secret} /var/lib/cloud/instance/user-data.txt")
    expect(bool(own.strip()), "root's own copy should have the code")
    seen = await guest.sh(READABLE.format(secret=secret), check=False)
    expect(not seen.strip(), f"others may read the code in {seen}")
    logged = await guest.sh(LOGGED.format(secret=secret), check=False)
    expect(logged.strip() == "0", f"logs have the code {logged} times")


ALL: Final = (joins_by_cloud_init,)
