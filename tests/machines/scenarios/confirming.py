"""A change that is in force until somebody confirms it, or nobody does, and what a killed node and a loss of power make of it."""

from __future__ import annotations

from typing import Final

from tests.machines.bed import MTU, READY, SESSION, Bed, expect


async def unconfirmed_and_killed(bed: Bed) -> str:
    """kill -9 within the window of a change: the profile before is in force, and the change stays refused."""
    guest = bed.left
    await bed.write_profile(guest, mtu=1380)
    await guest.sh("appliance apply --confirm-within 10min")
    expect(await guest.mtu() == 1380, "the change is not in force")
    await guest.sh("kill -9 $(systemctl show -p MainPID --value appliance)")
    await guest.until(READY)
    expect(await guest.mtu() == MTU, f"after kill -9 the MTU is {await guest.mtu()}")
    words = ("appliance apply", "systemctl reload appliance", "systemctl restart appliance")
    codes = {word: await guest.code(word) for word in words}
    await guest.until(READY)
    expect(await guest.mtu() == MTU, f"a restart brought the refused profile into force: {codes}")
    expect(codes["appliance apply"] == 8, f"apply of what nobody confirmed: {codes}")
    await guest.until(SESSION)
    return f"back after kill -9; refused afterwards: {codes}; {await bed.loss(5)}"


async def unconfirmed_and_without_power(bed: Bed) -> str:
    """The same with a loss of power: the deadline and the profile before outlive it."""
    guest = bed.left
    await bed.write_profile(guest, mtu=1370)
    await guest.sh("appliance apply --confirm-within 10min && sync")
    expect(await guest.mtu() == 1370, "the change is not in force")
    await guest.boot_again()
    expect(await guest.mtu() == MTU, f"after the boot the MTU is {await guest.mtu()}")
    await guest.until(SESSION)
    return f"back after a loss of power; {await bed.loss(5)}"


async def confirmed_and_without_power(bed: Bed) -> str:
    """A confirmed change is there after a boot."""
    guest = bed.left
    await bed.write_profile(guest, mtu=1360)
    await guest.sh("appliance apply --confirm-within 10min && appliance confirm && sync")
    await guest.boot_again()
    expect(await guest.mtu() == 1360, f"after the boot the MTU is {await guest.mtu()}")
    await guest.until(SESSION)
    return f"the change is there after a loss of power; {await bed.loss(5)}"


async def rolled_back(bed: Bed) -> str:
    """What was rolled back stays so, under Restart=always too."""
    guest = bed.left
    before = await guest.mtu()
    await bed.write_profile(guest, mtu=1350)
    await guest.sh("appliance apply")
    answer = (await guest.sh("appliance rollback")).strip()
    await guest.sh("kill -9 $(systemctl show -p MainPID --value appliance)")
    await guest.until(READY)
    expect(await guest.mtu() == before, f"after rollback and a new start the MTU is {await guest.mtu()}, not {before}")
    await bed.write_profile(guest)
    await guest.sh("appliance apply")
    await guest.until(SESSION)
    return f"{answer}; the same after kill -9"


ALL: Final = (unconfirmed_and_killed, unconfirmed_and_without_power, confirmed_and_without_power, rolled_back)
