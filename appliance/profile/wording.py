"""What pydantic found, in words that tell the admin what to write instead."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from appliance.api.profile_values import NAME_PATTERN, SYSCTL_PATTERN
from appliance.profile import fields
from appliance.profile.document import KeyPath, dotted

LONGEST_MISSPELT = 64
"""Characters. Comparing takes time for each, and no key is half as long."""


_FILE_REFERENCE: Final = r"^file:/"
"""The pattern of `SecretFile`."""


class Words(NamedTuple):
    """A problem's message and its hint."""

    message: str
    hint: str = ""


def wording(model: type[BaseModel], path: KeyPath, detail: ErrorDetails) -> Words:
    """Words for one finding at `path`."""
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown_key(model, path)
    if kind == "missing":
        return _missing_key(model, path)
    value = detail["input"]
    if value is None and kind != "value_error":
        return Words("there is no value here", _for_nothing(kind, is_text=fields.type_at(model, path) is str))
    if kind == "literal_error":
        return _not_a_choice(fields.choices(fields.type_at(model, path)), value)
    if kind in _EXPECTED:
        return _wrong_type(*_EXPECTED[kind], value)
    if kind in _OTHER:
        return _OTHER[kind](detail.get("ctx", {}), value)
    return Words(detail["msg"])


def misspelt(model: type[BaseModel], path: KeyPath) -> str:
    """The known key that the last one of `path` was probably meant to be; "" if there is none."""
    here = fields.model_at(model, path[:-1])
    return did_you_mean(str(path[-1]), fields.known_keys(here)) if here else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The one of `known` that was probably meant, or ""."""
    if len(word) > LONGEST_MISSPELT:
        return ""
    by_folded = {candidate.lower().replace("-", "_"): candidate for candidate in known}
    close = difflib.get_close_matches(word.lower().replace("-", "_"), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else ""


def unquoted_word(value: object) -> bool:
    """Is it a word that YAML 1.1 reads as true or false?"""
    return isinstance(value, str) and value.lower() in {"yes", "no", "on", "off", "y", "n"}


def shown(value: object) -> str:
    """A value as the admin wrote it, shortened."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return repr(value if len(value) <= 40 else value[:40] + "…")
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case dt.date() | dt.time():
            return "a date or time"
        case _:
            return str(value)[:40]


def _unknown_key(model: type[BaseModel], path: KeyPath) -> Words:
    if meant := misspelt(model, path):
        return Words(f"unknown key, did you mean {meant!r}?")
    elsewhere = [dotted(place) for place in fields.places_of(model, str(path[-1]))]
    if elsewhere:
        return Words("unknown key", f"did you mean {' or '.join(elsewhere[:3])}?")
    here = fields.model_at(model, path[:-1])
    known = list(fields.known_keys(here)) if here else []
    return Words("unknown key", f"known here: {', '.join(known)}" if known else "")


def _missing_key(model: type[BaseModel], path: KeyPath) -> Words:
    parent = fields.model_at(model, path[:-1])
    field = fields.known_keys(parent).get(str(path[-1])) if parent else None
    if path == ("profile",):
        return Words("this key is missing", "the first line of a profile is `profile: 1`")
    return Words("this key is missing", (field.description or "") if field else "")


def _not_a_choice(options: tuple[Any, ...], value: object) -> Words:
    known = [str(option) for option in options]
    listed = f"{', '.join(known[:-1])} or {known[-1]}" if len(known) > 1 else "".join(known)
    message = f"expected {listed}, found {shown(value)}"
    if value is False and "off" in known:
        return Words(message, 'write off; in TOML "off"')
    meant = did_you_mean(value, known) if isinstance(value, str) else ""
    return Words(message, f"did you mean {meant!r}?" if meant else "")


def _wrong_type(expected: str, hint: Callable[[object], str], value: object) -> Words:
    return Words(f"expected {expected}, found {shown(value)}", hint(value))


def _for_nothing(kind: str, *, is_text: bool) -> str:
    if is_text:
        return 'for the word null write "null"'
    empty = {_MAPPING[0]: "write {} for the defaults, or ", _LIST[0]: "write [] for none, or "}
    return empty.get(_EXPECTED.get(kind, _TEXT)[0], "give it one, or ") + "remove the key"


def _for_number(value: object) -> str:
    if isinstance(value, str) and value.strip().isdecimal():
        return "remove the quotes"
    return "true and false are no numbers" if isinstance(value, bool) else ""


def _for_switch(value: object) -> str:
    word = str(value).lower()
    if unquoted_word(value) or word in {"0", "1", "true", "false"}:
        truth = word in {"yes", "on", "y", "1", "true"}
        return f"YAML 1.2 and TOML know only true and false: write {'true' if truth else 'false'}"
    return ""


def _for_text(value: object) -> str:
    return f'put it in quotes: "{shown(value)}"' if isinstance(value, bool | int | float) else ""


def _for_list(value: object) -> str:
    return "put it in brackets: [ … ]" if not isinstance(value, dict) else ""


def _for_mapping(value: object) -> str:
    return "write the keys below it, indented" if isinstance(value, str | int | float) else ""


_TEXT = ("text", _for_text)
_LIST = ("a list", _for_list)
_MAPPING = ("a mapping of keys", _for_mapping)
_WHOLE = ("a whole number", _for_number)
_NUMBER = ("a number", _for_number)
_SWITCH = ("true or false", _for_switch)
_EXPECTED: dict[str, tuple[str, Callable[[object], str]]] = {
    "string_type": _TEXT,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _SWITCH,
    "bool_parsing": _SWITCH,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "mapping_type": _MAPPING,
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
}


def _refused(context: dict[str, Any], _value: object) -> Words:
    return Words(str(context.get("error", "the value is not acceptable")))


def _pattern(context: dict[str, Any], value: object) -> Words:
    if context.get("pattern") == NAME_PATTERN:
        return Words(f"{shown(value)} is no name", "letters, digits, `.`, `_` and `-`; the first is a letter or digit")
    if context.get("pattern") == SYSCTL_PATTERN:
        return Words(
            f"{shown(value)} is no sysctl below net.",
            'others are not a profile\'s; in TOML such a key is quoted: "net.ipv4.tcp_mtu_probing" = 1',
        )
    if context.get("pattern") == _FILE_REFERENCE:  # what stands there may be the secret itself
        return Words("what is secret stands in a file of its own", "write file:/PATH here, a file that root can read")
    return Words(f"{shown(value)} does not match {context.get('pattern')}")


def _count(bound: str, key: str, noun: str) -> Callable[[dict[str, Any], object], Words]:
    def words(context: dict[str, Any], _value: object) -> Words:
        count = context.get(key)
        return Words(f"{bound} {count} {noun[:-1] if count == 1 else noun} here")

    return words


def _limit(relation: str, key: str) -> Callable[[dict[str, Any], object], Words]:
    return lambda context, value: Words(f"must be {relation} {context.get(key)}, found {shown(value)}")


_OTHER: dict[str, Callable[[dict[str, Any], object], Words]] = {
    "value_error": _refused,
    "assertion_error": _refused,
    "string_pattern_mismatch": _pattern,
    "string_too_long": _count("at most", "max_length", "characters"),
    "string_too_short": _count("at least", "min_length", "characters"),
    "too_long": _count("at most", "max_length", "values"),
    "too_short": _count("at least", "min_length", "values"),
    "greater_than_equal": _limit("at least", "ge"),
    "greater_than": _limit("more than", "gt"),
    "less_than_equal": _limit("at most", "le"),
    "less_than": _limit("less than", "lt"),
}
