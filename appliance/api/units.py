"""Quantities as people write them in a profile: bytes ("5MB", "512KiB"), seconds ("10min", "250ms") and rates ("20Mbit")."""

from __future__ import annotations

import math
import re

BYTES_PER_UNIT = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
SECONDS_PER_UNIT = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
BITS_PER_UNIT = {"bit": 1, "kbit": 1000, "Mbit": 1000**2, "Gbit": 1000**3}
_SAME_RATE = {
    "bps": "bit",
    "kbps": "kbit",
    "mbps": "Mbit",
    "gbps": "Gbit",
    "bit/s": "bit",
    "kbit/s": "kbit",
    "mbit/s": "Mbit",
    "gbit/s": "Gbit",
    "kb": "kbit",
    "mb": "Mbit",
    "gb": "Gbit",
    "k": "kbit",
    "m": "Mbit",
    "g": "Gbit",
}

_QUANTITY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([A-Za-z]*(?:/[A-Za-z]+)?)", re.ASCII)


def parse_bytes(text: str) -> int:
    """Bytes of "5MB" or "512KiB". Raises ValueError with a sentence for the admin."""
    number, unit = _split(text, "size", "5MB or 512KiB")
    if unit not in BYTES_PER_UNIT:
        raise ValueError(f"{text!r} is no size: {_unit_hint(unit, BYTES_PER_UNIT)}")
    size = number * BYTES_PER_UNIT[unit]
    if not size.is_integer():
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return int(size)


def parse_seconds(text: str) -> float:
    """Seconds of "60s", "10min" or "250ms". Raises ValueError with a sentence for the admin."""
    number, unit = _split(text, "duration", "60s, 10min or 250ms")
    if unit not in SECONDS_PER_UNIT:
        raise ValueError(f"{text!r} is no duration: {_unit_hint(unit, SECONDS_PER_UNIT)}")
    return number * SECONDS_PER_UNIT[unit]


def parse_rate(text: str) -> int:
    """Bits a second of "20Mbit" or "1.5Gbit". Raises ValueError with a sentence for the admin."""
    number, unit = _split(text, "rate", "20Mbit or 1.5Gbit")
    if unit not in BITS_PER_UNIT:
        alike = _SAME_RATE.get(unit.lower())
        told = f"unit {unit!r} is unknown, did you mean {alike!r}?" if alike else _unit_hint(unit, BITS_PER_UNIT)
        raise ValueError(f"{text!r} is no rate: {told}")
    rate = number * BITS_PER_UNIT[unit]
    if not rate.is_integer():
        raise ValueError(f"{text!r} is not a whole number of bits a second")
    return int(rate)


def format_rate(rate: int) -> str:
    """The shortest exact form: 20000000 is "20Mbit"."""
    for unit in ("Gbit", "Mbit", "kbit"):
        if rate and rate % BITS_PER_UNIT[unit] == 0:
            return f"{rate // BITS_PER_UNIT[unit]}{unit}"
    return f"{rate}bit"


def format_bytes(size: int) -> str:
    """The shortest exact form: 5000000 is "5MB", 524288 is "512KiB"."""
    for unit in ("GB", "GiB", "MB", "MiB", "kB", "KiB"):
        if size and size % BYTES_PER_UNIT[unit] == 0:
            return f"{size // BYTES_PER_UNIT[unit]}{unit}"
    return f"{size}B"


def format_seconds(seconds: float) -> str:
    """The form with the largest unit that stays whole: 600.0 is "10min", 0.25 is "250ms"."""
    for unit in ("d", "h", "min", "s", "ms"):
        count = seconds / SECONDS_PER_UNIT[unit]
        if seconds and math.isclose(count, round(count), rel_tol=1e-12):
            return f"{round(count)}{unit}"
    unit = "ms" if 0 < seconds < 1 else "s"
    text = f"{seconds / SECONDS_PER_UNIT[unit]:.6f}".rstrip("0").rstrip(".")  # never 1e-05, which could not be read back
    return f"{text}{unit}"


def _split(text: str, noun: str, example: str) -> tuple[float, str]:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no {noun}: write a number and a unit, for example {example}")
    return float(match[1]), match[2]


def _unit_hint(unit: str, units: dict[str, float] | dict[str, int]) -> str:
    known = ", ".join(units)
    if not unit:
        return f"the unit is missing ({known})"
    alike = {"m": "min", "sec": "s", "hour": "h", "k": "KiB"}.get(unit) or next(
        (name for name in units if name.lower() == unit.lower()), None
    )
    if alike in units:
        return f"unit {unit!r} is unknown, did you mean {alike!r}?"
    return f"unit {unit!r} is unknown ({known})"
