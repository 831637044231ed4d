"""A program that begins deeds of maintenance and kills itself in the middle, each time in a process of its own.

    python killed.py FOLDER steps        at each step that a deed tells, one after the other
    python killed.py FOLDER moments N    at N moments by chance

After each kill the store has to open, with everything that was in it. A line for each: the deed, and where it was killed.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from appliance.api.stores import Append, Put
from appliance.foundation.clock import wall
from appliance.foundation.entropy import random_bytes
from appliance.store import copies, maintenance
from appliance.store.keys import Keys
from appliance.store.opening import open_store
from appliance.store.schema import STEPS, Step, migrate

VALUES = 120
NEXT = (*STEPS, Step(forward=("CREATE TABLE more (text TEXT)", "INSERT INTO more VALUES ('x')"), back=("DROP TABLE more",)))
Told = Callable[[str], None]
Deed = Callable[[Path, Told], None]


def rewrap(folder: Path, told: Told) -> None:
    asyncio.run(maintenance.rewrap(folder, keys(folder), lambda keys: keys.new_file(), told))


def rotate(folder: Path, told: Told) -> None:
    asyncio.run(maintenance.rotate(folder, keys(folder), None, told))


def backup(folder: Path, told: Told) -> None:
    target = folder.parent / "backup"
    target.unlink(missing_ok=True)
    maintenance.backup(folder, target, told)


def restore(folder: Path, told: Told) -> None:
    maintenance.restore(folder, folder.parent / "backup", keys(folder), told)


def forward(folder: Path, told: Told) -> None:
    with closing(copies.connect(folder / "store.sqlite")) as connection:
        connection.set_trace_callback(told)
        migrate(connection, NEXT)


def back(folder: Path, told: Told) -> None:
    with closing(copies.connect(folder / "store.sqlite")) as connection:
        migrate(connection, NEXT)
        connection.set_trace_callback(told)
        migrate(connection, STEPS)


DEEDS: tuple[Deed, ...] = (rewrap, rotate, backup, restore, forward, back)


def keys(folder: Path) -> Keys:
    return Keys(folder, entropy=random_bytes)


async def fill(folder: Path) -> None:
    store = await open_store(folder)
    await store.commit(*(Put("a", f"{n:03}", b"%d" % n) for n in range(VALUES)), *(Append("log", b"%d" % n) for n in range(20)))
    await store.close()


async def look(folder: Path) -> None:
    """Everything is there, and can be written to."""
    store = await open_store(folder)
    assert [record.value for record in await store.scan("a", limit=VALUES)] == [b"%d" % n for n in range(VALUES)]
    assert [entry.value for entry in (await store.tail("log")).entries] == [b"%d" % n for n in range(20)]
    await store.commit(Put("b", "written", b"%f" % wall()))
    await store.close()


def in_a_process(deed: Callable[[], object]) -> int:
    """How a process ends that does it: 0, or minus the signal."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            deed()
            code = 0
        except BaseException as error:  # noqa: BLE001  the process ends here
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_at(deed: Deed, folder: Path, number: int) -> int:
    """Do it, and be killed when it tells its step of that number."""
    left = [number]

    def told(step: str) -> None:
        if left[0] == 0:
            print(deed.__name__, step.split("\n")[0], flush=True)
            die()
        left[0] -= 1

    return in_a_process(lambda: deed(folder, told))


def killed_after(deed: Deed, folder: Path, seconds: float) -> int:
    """Do it, and be killed after a while."""

    def begin() -> None:
        threading.Thread(target=lambda: (time.sleep(seconds), die()), daemon=True).start()
        deed(folder, lambda _: None)

    return in_a_process(begin)


def after(folder: Path, code: int) -> bool:
    """Was it killed? Whatever it was, the store opens, and a copy that is there is whole."""
    assert code in (0, -signal.SIGKILL), code
    assert in_a_process(lambda: asyncio.run(look(folder))) == 0
    for copy in (folder / "good.sqlite", folder.parent / "backup"):
        if copy.exists():
            assert in_a_process(lambda copy=copy: copies.verify(copy)) == 0  # type: ignore[misc]
    return code != 0


def main(folder: Path, how: str, times: int) -> None:
    assert in_a_process(lambda: asyncio.run(fill(folder))) == 0
    if how == "moments":
        assert in_a_process(lambda: backup(folder, lambda _: None)) == 0
        for _ in range(times):
            deed = random.choice(DEEDS)
            if after(folder, killed_after(deed, folder, random.uniform(0, 0.06))):
                print(deed.__name__, flush=True)
            if not (folder.parent / "backup").exists():
                assert in_a_process(lambda: backup(folder, lambda _: None)) == 0
        return
    for deed in DEEDS:
        number = 0
        while after(folder, killed_at(deed, folder, number)):
            number += 1
        assert not list(folder.glob("*.part")) or deed is backup


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0)
