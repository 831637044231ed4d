"""Codes that let somebody become a user: the first user's, which whoever starts the API server reads, and those of admins.

    code = number (5 bytes) | secret (16 bytes)         in Crockford's base32, in groups of five

Only the secret's digest is kept. A wrong secret with the number of an invitation is a wrong guess, and the fifth burns it; the
number is random too, so nobody burns codes that he has not seen.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final, NamedTuple

from appliance.errors import ApplianceError, ExitCode

NUMBER_BYTES: Final = 5
SECRET_BYTES: Final = 16
"""128 bits."""
CODE_BYTES: Final = NUMBER_BYTES + SECRET_BYTES
GUESSES: Final = 5
FIRST_SECONDS: Final = 3600
"""For how long the first user's code is good."""
LONGEST_SECONDS: Final = 30 * 86_400
MOST_USES: Final = 1000
MOST_INVITATIONS: Final = 256
"""Invitations that are open at a time."""
MOST_KEPT: Final = 1000
"""With those that ended a moment ago."""
GROUP: Final = 5

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS: Final = {symbol: number for number, symbol in enumerate(_ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_SYMBOLS: Final = (CODE_BYTES * 8 + 4) // 5


class CodeNotValid(ApplianceError):
    """That is no code of an invitation, or one that was burnt or taken back."""

    exit_code = ExitCode.PERMISSION

    def __init__(self) -> None:
        super().__init__("the code is not valid", hint="compare it group by group, or ask for another invitation")


class CodeUsedUp(ApplianceError):
    """The code was right, but it was used as often as it may be, or its time is over."""

    exit_code = ExitCode.PERMISSION

    def __init__(self) -> None:
        super().__init__("the code was used, or its time is over", hint="ask for another invitation")


class Invitation(NamedTuple):
    """An invitation, as it is kept."""

    number: str
    """In hexadecimal digits. May be logged."""
    digest: str
    """Of the secret."""
    roles: tuple[str, ...]
    """What those are who come with it."""
    made_by: str
    """The id of the user who invited; "" for the first user's code."""
    created: int
    """Unix seconds."""
    expires: int
    """Unix seconds."""
    uses: int = 1
    """So many may still come."""
    guesses: int = GUESSES
    """So many wrong guesses are left."""
    note: str = ""
    """For whom it is."""

    def __repr__(self) -> str:
        return f"Invitation({self.number})"


def invitation_of(
    random: bytes, roles: tuple[str, ...], made_by: str, now: int, seconds: int, uses: int = 1, note: str = ""
) -> tuple[Invitation, str]:
    """A new invitation and its code. `random`: CODE_BYTES."""
    number, secret = random[:NUMBER_BYTES], random[NUMBER_BYTES:]
    seconds, uses = max(1, min(seconds, LONGEST_SECONDS)), max(1, min(uses, MOST_USES))
    return Invitation(number.hex(), _digest(secret), roles, made_by, now, now + seconds, uses, GUESSES, note), _text(random)


def number_of(code: str) -> str | None:
    """The number of the invitation that a code is of; None if it is no code."""
    plain = _bytes(code)
    return plain[:NUMBER_BYTES].hex() if plain else None


def guessed(invitation: Invitation, code: str) -> Invitation | None:
    """None: it is the right code. Otherwise the invitation with one guess less."""
    plain = _bytes(code) or bytes(CODE_BYTES)
    right = hmac.compare_digest(_digest(plain[NUMBER_BYTES:]), invitation.digest)
    return None if right and invitation.guesses > 0 else invitation._replace(guesses=max(0, invitation.guesses - 1))


def is_open(invitation: Invitation, now: int) -> bool:
    """May somebody still come with it?"""
    return invitation.uses > 0 and invitation.guesses > 0 and now < invitation.expires


def used(invitation: Invitation, now: int) -> Invitation:
    """The invitation after one more came with its (right) code. Raises CodeUsedUp."""
    if invitation.uses < 1 or not invitation.created - LONGEST_SECONDS <= now < invitation.expires:
        raise CodeUsedUp
    return invitation._replace(uses=invitation.uses - 1)


def _digest(secret: bytes) -> str:
    return sha256(secret).hexdigest()


def _text(plain: bytes) -> str:
    number = int.from_bytes(plain, "big") << (_SYMBOLS * 5 - CODE_BYTES * 8)
    symbols = "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(_SYMBOLS)))
    return "-".join(symbols[at : at + GROUP] for at in range(0, _SYMBOLS, GROUP))


def _bytes(code: str) -> bytes | None:
    """The bytes that a code spells; case, dashes and blanks do not matter."""
    if len(code) > 4 * _SYMBOLS:
        return None
    values = [_READ_AS.get(symbol) for symbol in "".join(code.upper().replace("-", "").split())]
    if len(values) != _SYMBOLS:
        return None
    number = 0
    for value in values:
        if value is None:
            return None
        number = number << 5 | value
    spare = _SYMBOLS * 5 - CODE_BYTES * 8
    return None if number & ((1 << spare) - 1) else (number >> spare).to_bytes(CODE_BYTES, "big")
