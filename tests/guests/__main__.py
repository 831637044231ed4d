"""`make guests`: boots two guests with the Debian package, and does what an admin does. Root only; takes minutes, since without
KVM an instruction costs ten. Exit code 1 when a step does not end as it should.

    make guests args='--only sandbox,throughput'        some steps (machines and nodes_start always)
    make guests args='--keep DIRECTORY'                 the guests' disks and consoles stay there
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.guests import image, steps
from tests.guests.guest import Unreachable
from tests.guests.pair import Pair

ROOT = Path(__file__).resolve().parents[2]
ALWAYS = (steps.machines, steps.nodes_start)


def main() -> int:
    """Build, boot, do all steps, and say what came of each."""
    parser = argparse.ArgumentParser(
        prog="make guests args=…", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--only", metavar="STEP,…", default="", help=f"some of: {', '.join(step.__name__ for step in steps.STEPS)}"
    )
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="an empty directory for disks and consoles")
    wanted = parser.parse_args()
    if missing := image.missing_tools():
        print(f"needs Debian packages: apt install {' '.join(missing)}")
        return 2
    packages = sorted((ROOT / "dist").glob("appliance_*~deb12u1_amd64.deb"))
    if not packages:
        print("needs the package: make deb")
        return 2
    with tempfile.TemporaryDirectory(prefix="appliance-guests-") as scratch:
        folder = wanted.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        return story(folder, packages[-1], [name for name in wanted.only.split(",") if name])


def story(folder: Path, package: Path, only: list[str]) -> int:
    """All steps, one after the other; a failed one does not keep the next from being tried."""
    begun = time.monotonic()
    with Pair(image.build(package, folder), folder) as pair:
        print(f"image: {time.monotonic() - begun:.0f} s", flush=True)
        for guest in pair.both:
            guest.power_on()
        booted = [guest.wait() for guest in pair.both]
        print(f"boot: {max(booted):.0f} s", flush=True)
        chosen = [step for step in steps.STEPS if not only or step in ALWAYS or step.__name__ in only]
        failed = [step.__name__ for step in chosen if not done(step, pair)]
    print(f"failed: {', '.join(failed)}" if failed else f"all {len(chosen)} steps are well")
    return 1 if failed else 0


def done(step: Callable[[Pair], str], pair: Pair) -> bool:
    """Do one step and say what came of it."""
    begun = time.monotonic()
    try:
        words, well = step(pair), True
    except (Unreachable, ValueError, KeyError, IndexError) as error:
        words, well = f"{type(error).__name__}: {error}", False
    print(f"{'ok  ' if well else 'FAIL'} {step.__name__} ({time.monotonic() - begun:.0f} s): {words}", flush=True)
    if not well:
        steps.after_failure(pair)
    return well


if __name__ == "__main__":
    sys.exit(main())
