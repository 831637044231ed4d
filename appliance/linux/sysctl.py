"""Kernel settings below /proc/sys/net."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance.errors import HostError
from appliance.linux.refusals import refused

ROOT = Path("/proc/sys")


def read(key: str) -> str | None:
    """The value of "net.ipv4.ip_forward", with single blanks; None if this kernel or interface has no such key."""
    try:
        return " ".join(_path(key).read_text().split())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise refused(error.errno, f"reading {key}") from error


def only_read() -> bool:
    """Is /proc/sys mounted for reading only, as in most containers?"""
    return bool(os.statvfs(ROOT).f_flag & os.ST_RDONLY)


def write(args: Mapping[str, Any]) -> None:
    """Set `key` to `value`, then each setting of `then`, in order.

    `then` brings back what the kernel changes besides (ip_forward sets the forwarding of every interface). Its keys may be gone
    with their interfaces.
    """
    _write(args["key"], args["value"])
    for key, value in args.get("then", ()):
        if read(key) is not None:
            _write(key, value)


def _write(key: str, value: str) -> None:
    try:
        _path(key).write_text(value)
    except (FileNotFoundError, NotADirectoryError):
        raise HostError(
            f"this kernel has no setting {key}", hint="look with: sysctl -a --pattern " + key.rsplit(".", 1)[-1]
        ) from None
    except OSError as error:
        raise refused(error.errno, f"setting {key} to {value}") from error


def _path(key: str) -> Path:
    # As sysctl(8) has it: an interface called eth0.7 is written net/ipv4/conf/eth0.7/forwarding.
    parts = key.split("/") if "/" in key else key.split(".")
    if ".." in parts or parts[0] != "net":
        raise HostError(f"{key!r} is not a setting below net.")
    return ROOT.joinpath(*parts)
