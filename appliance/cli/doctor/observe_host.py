"""Reads what the host checks judge. Changes nothing: a device is opened and closed, a socket made and closed."""

from __future__ import annotations

import os
import platform
import socket
from pathlib import Path

from appliance.cli.doctor.facts import HostFacts
from appliance.foundation import places
from appliance.linux.machine import may_change_network
from appliance.runtime.rootless.trying import obstacle

UDP_SEGMENT = 103
UDP_GRO = 104
"""linux/udp.h; Python does not name them."""
SYSCTLS = (
    "net.core.rmem_max",
    "net.core.wmem_max",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.tcp_available_congestion_control",
)


def observe_host() -> HostFacts:
    """The host as it is now."""
    directory = places.state_dir()
    return HostFacts(
        kernel=kernel_version(platform.release()),
        tun_problem=_tun_problem(),
        net_admin=may_change_network(),
        rootless_problem="" if may_change_network() else obstacle(),
        udp_gso=_udp_option(UDP_SEGMENT),
        udp_gro=_udp_option(UDP_GRO),
        ipv6=Path("/proc/sys/net/ipv6").is_dir(),
        nft=_has_nft(),
        aes_instructions=_has_aes(),
        post_quantum=_has_post_quantum(),
        state_dir=str(directory),
        state_dir_problem=_directory_problem(directory),
        sysctls={key: value for key in SYSCTLS if (value := _sysctl(key)) is not None},
    )


def kernel_version(release: str) -> tuple[int, int]:
    """(6, 1) of "6.1.0-18-amd64"."""
    numbers = [int("".join(filter(str.isdigit, part)) or 0) for part in release.split("-", maxsplit=1)[0].split(".")[:2]]
    return (numbers[0], numbers[1] if len(numbers) > 1 else 0)


def _tun_problem() -> str:
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


def _udp_option(option: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.setsockopt(socket.IPPROTO_UDP, option, 1)
        except OSError:
            return False
    return True


def _has_nft() -> bool:
    import shutil

    return shutil.which("nft", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is not None


def _has_aes() -> bool:
    """x86 and Arm list it in /proc/cpuinfo. Of others we say nothing."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    flags = next((line for line in text.splitlines() if line.lower().startswith(("flags", "features"))), "aes")
    return "aes" in flags.split() or flags == "aes"


def _has_post_quantum() -> bool:
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa, mlkem  # noqa: F401 - being there is the question
    except ImportError:
        return False
    return True


def _directory_problem(directory: Path) -> str:
    """Why no file can be made in `directory`, or in the part of it that exists; "" if one can."""
    there = next(part for part in (directory, *directory.parents) if part.exists())
    if not there.is_dir():
        return f"{there} is no directory"
    if there == directory and directory.stat().st_uid != os.geteuid():
        return "it belongs to another user"
    return "" if os.access(there, os.W_OK | os.X_OK) else f"{there} is not writable"


def _sysctl(key: str) -> str | None:
    try:
        return Path("/proc/sys", key.replace(".", "/")).read_text(encoding="ascii").strip()
    except OSError:
        return None
