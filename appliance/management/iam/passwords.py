"""Passwords: which may be used, and how they are kept: Argon2id (RFC 9106) in the PHC string format."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from appliance.errors import ApplianceError, ExitCode

SHORTEST: Final = 12
"""Characters. Length is what counts (NIST SP 800-63B, 3.1.1.2): no rule asks for digits or signs."""
LONGEST: Final = 128
"""Characters: enough for a sentence, and no work for whoever sends a megabyte."""
SALT_BYTES: Final = 16
HASH_BYTES: Final = 32
MOST_MEMORY_KIB: Final = 1 << 18
"""What a kept hash may ask for, 256 MiB: a restored store with a larger one must not take the host's memory."""


class Cost(NamedTuple):
    """What a guess costs."""

    memory_kib: int
    passes: int
    lanes: int


COST: Final = Cost(12_288, 3, 1)
"""One of OWASP's choices, which are all as good against guessing: 15 ms, and two at once need 24 MiB, so that the API server
stays within 90 MB. (19,456 KiB and two passes: 16 ms and 38 MiB. 47,104 KiB and one: 50 ms and 92 MiB.)"""
NOBODY: Final = "$argon2id$v=19$m=12288,t=3,p=1$bm9ib2R5J3Mgc2FsdCEhIQ$ZKsDSMAOPLl5yNFUwzkioXt6Wrygk5hLVaaS0aL2ths"
"""The hash that is compared for names that nobody has, so that they take the same time. No password is known for it."""

_PHC: Final = re.compile(r"\$argon2id\$v=19\$m=(\d{1,9}),t=(\d{1,4}),p=(\d{1,3})\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")


class PasswordRefused(ApplianceError):
    """This password may not be used. The message never holds it."""

    exit_code = ExitCode.INVALID


def judged(password: str, name: str, breached: Callable[[str], bool]) -> str:
    """The password as it is hashed. `breached`: is it in a list of passwords that became known? Raises PasswordRefused."""
    plain = normal(password)
    if plain is None:
        raise PasswordRefused("the password has characters that are none", hint="use characters that can be typed")
    if not SHORTEST <= len(plain) <= LONGEST:
        raise PasswordRefused(f"a password has {SHORTEST} to {LONGEST} characters", hint="a few words are easy to remember")
    if plain.casefold() in {name.casefold(), name.casefold() * 2} or len(set(plain)) < 4:
        raise PasswordRefused(
            "the password is too easy to guess", hint="a few words that do not belong together are hard to guess"
        )
    if breached(plain):
        raise PasswordRefused("the password is in a list of stolen passwords", hint="use another, here and wherever it is used")
    return plain


def normal(password: str) -> str | None:
    """Unicode's composed form (NFC), as RFC 8265, 4.2 wants it, so that every keyboard gives the same. None: it is no text."""
    plain = unicodedata.normalize("NFC", password[: 2 * LONGEST])
    unfit = any(unicodedata.category(character) in {"Cc", "Cs", "Cn"} for character in plain)
    return None if unfit or len(password) > 2 * LONGEST else plain


def hashed(plain: str, salt: bytes, cost: Cost = COST) -> str:
    """The PHC string to keep. Takes milliseconds of a processor, outside Python's lock: in a thread. `salt`: 16 random bytes."""
    kdf = Argon2id(salt=salt, length=HASH_BYTES, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory_kib)
    return kdf.derive_phc_encoded(plain.encode())


def matches(password: str, phc: str) -> bool:
    """Is this the password of the hash? Takes the same time whether or not it is, and for what is no hash (`""`) too."""
    plain, cost = normal(password), cost_of(phc)
    fit = plain is not None and cost is not None
    try:
        Argon2id.verify_phc_encoded((plain or "").encode(), phc if cost is not None else NOBODY)
    except InvalidKey:
        return False
    return fit


def needs_rehash(phc: str, cost: Cost = COST) -> bool:
    """Was it made at another cost than passwords are now?"""
    return cost_of(phc) != cost


def cost_of(phc: str) -> Cost | None:
    """The cost of a hash; None if it is no hash, or one that costs more than anybody may ask for."""
    found = _PHC.fullmatch(phc)
    cost = Cost(*map(int, found.groups())) if found else None
    return cost if cost and cost.memory_kib <= MOST_MEMORY_KIB and 0 < cost.passes <= 64 and 0 < cost.lanes <= 16 else None
