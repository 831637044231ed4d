"""--confirm-within: what nobody confirms is undone, by a process that nothing of ours has to keep alive."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.apply.confirmation import is_watched, wake_watchdog
from appliance.apply.engine import Unconfirmed, apply_profile, confirm, recover, rollback, state
from appliance.errors import HostError, PlanError
from appliance.linux.netlink import Netlink
from tests.netns.profiles import profile, rich
from tests.netns.throwaway import Throwaway, kill_myself

pytestmark = pytest.mark.netns


@pytest.fixture
def admin(namespace: Throwaway) -> str:
    """An admin's session over the network to this host; its SSH_CONNECTION."""
    namespace.sh(
        "ip link add eth0 type veth peer name far; ip link set eth0 addrgenmode none; ip link set far addrgenmode none;"
        "ip link set far up; ip link set eth0 up;"
        "for each in eth0 far; do until ip -6 route show table local dev $each | grep -q ff00; do :; done; done;"
        "ip addr add 192.0.2.1/24 dev eth0; ip route add 203.0.113.0/24 via 192.0.2.254"
    )
    return "203.0.113.9 50000 192.0.2.1 22"


async def gone(interface: str, within: float) -> bool:
    """Wait until the kernel says that the interface has gone."""
    async with asyncio.timeout(within), Netlink() as netlink:
        await netlink.listen()
        while any(message.get_attr("IFLA_IFNAME") == interface for message in await netlink.dump("link")):
            await netlink.changed(1.0)
    return True


def ends(namespace: Throwaway, condition: Callable[[], bool]) -> None:
    """Wait for the watchdog's end: its lock is the last thing it lets go."""

    async def wait() -> None:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    namespace.run(wait)


def test_nobody_confirms(namespace: Throwaway, state_dir: Path) -> None:
    before = namespace.snapshot()

    result = namespace.run(apply_profile, rich(), state_dir, confirm_within=0.3)

    assert result.confirm_within == 0.3
    assert namespace.run(gone, "llp0", 60)
    ends(namespace, lambda: not state_dir.exists())
    assert namespace.snapshot() == before


def test_a_confirmed_apply_stays_and_its_watchdog_goes(namespace: Throwaway, state_dir: Path) -> None:
    before = namespace.snapshot()
    namespace.run(apply_profile, rich(), state_dir, confirm_within=60)
    applied = namespace.snapshot()

    namespace.run(confirm, state_dir)

    ends(namespace, lambda: not is_watched(state_dir))
    assert namespace.snapshot() == applied
    assert not namespace.run(apply_profile, rich(), state_dir).changed
    namespace.run(rollback, state_dir)
    assert namespace.snapshot() == before
    ends(namespace, lambda: not state_dir.exists())


def test_only_the_unconfirmed_change_is_undone(namespace: Throwaway, state_dir: Path) -> None:
    namespace.run(apply_profile, rich(), state_dir)
    applied = namespace.snapshot()

    namespace.run(apply_profile, rich(interface="over0", sysctls={}), state_dir, confirm_within=0.3)

    assert namespace.run(gone, "over0", 60)
    ends(namespace, lambda: not is_watched(state_dir))
    after = namespace.snapshot()
    assert without_numbers(after) == without_numbers(applied)


def without_numbers(snapshot: dict[str, Any]) -> dict[str, Any]:
    """An interface that was removed and made again has another number."""
    for noun in ("links", "addresses"):
        for link in snapshot[noun]:
            link.pop("ifindex")
    return {noun: sorted(map(repr, entries)) for noun, entries in snapshot.items()}


def test_apply_killed_while_its_watchdog_watches(namespace: Throwaway, state_dir: Path) -> None:
    before = namespace.snapshot()

    async def die_half_way() -> None:
        await apply_profile(rich(), state_dir, confirm_within=0.3, progress=lambda p: kill_myself() if p.number == 5 else None)

    assert namespace.fork(die_half_way).signal == signal.SIGKILL
    ends(namespace, lambda: not state_dir.exists())
    assert namespace.snapshot() == before


def test_the_next_apply_waits_for_the_answer(namespace: Throwaway, state_dir: Path) -> None:
    namespace.run(apply_profile, profile(), state_dir, confirm_within=60)

    with pytest.raises(Unconfirmed, match="awaits its confirmation"):
        namespace.run(apply_profile, rich(), state_dir)

    assert namespace.run(rollback, state_dir).steps
    ends(namespace, lambda: not state_dir.exists())


def test_a_dead_watchdog_is_replaced_by_the_next_start(namespace: Throwaway, state_dir: Path) -> None:
    before = namespace.snapshot()
    namespace.run(apply_profile, profile(), state_dir, confirm_within=60)
    pattern = f"appliance.apply.watchdog {state_dir} "
    [watchdog] = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=True).stdout.split()
    os.kill(int(watchdog), signal.SIGKILL)
    ends(namespace, lambda: not is_watched(state_dir))

    assert namespace.run(recover, state_dir).steps

    assert namespace.snapshot() == before


def test_confirming_nothing_says_so(namespace: Throwaway, state_dir: Path) -> None:
    with pytest.raises(HostError, match="nothing awaits confirmation"):
        namespace.run(confirm, state_dir)
    wake_watchdog(state_dir)


def test_a_plan_that_cuts_off_the_admin_needs_confirmation(namespace: Throwaway, state_dir: Path, admin: str) -> None:
    wanted = profile(peers=[{"allowed": ["203.0.113.0/25"]}])
    before = namespace.snapshot()

    with pytest.raises(
        PlanError, match=r"cut off your own session, 203\.0\.113\.9: .* over llp0 instead of over eth0"
    ) as refusal:
        namespace.run(apply_profile, wanted, state_dir, admin_address=admin)
    assert "--confirm-within" in refusal.value.hint
    assert namespace.snapshot() == before

    namespace.run(apply_profile, wanted, state_dir, admin_address=admin, confirm_within=60)
    assert [generation.awaits_confirmation for generation in namespace.run(state, state_dir).generations] == [True]
    namespace.run(rollback, state_dir)
    assert namespace.snapshot() == before


def test_a_plan_that_spares_the_admin_needs_none(namespace: Throwaway, state_dir: Path, admin: str) -> None:
    result = namespace.run(apply_profile, rich(), state_dir, admin_address=admin)
    assert result.plan.cuts_off == ""
