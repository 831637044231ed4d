"""Words of a description as words of Java: names, string literals, comments.

A description may come from anybody. Java replaces escapes of Unicode everywhere in a source, also in comments, before it reads
anything else (Java Language Specification, section 3.3). So what is written here is ASCII, and has no backslash of anybody's.
"""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Iterable
from typing import Final

LINE: Final = 120


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_KEYWORDS: Final = _words(
    "abstract assert boolean break byte case catch char class const continue default do double else enum extends final finally"
    " float for goto if implements import instanceof int interface long native new package private protected public return short"
    " static strictfp super switch synchronized this throw throws transient try void volatile while true false null _"
    " var record yield sealed permits"
)
_OF_EVERY_OBJECT: Final = frozenset({"clone", "finalize", "getClass", "hashCode", "notify", "notifyAll", "toString", "wait"})
"""Methods of java.lang.Object: a component of a record may not be called so (Java Language Specification, section 8.10.1)."""
_CLASSES: Final = _words(
    "Object String Long Double Boolean List Map Stream Void Override Deprecated Record Enum Exception RuntimeException Throwable"
    " JsonProperty TypeReference JavaType Client Options Event EventStream Transport Trust Json ApplianceException"
    " ConnectionFailedException ProblemException"
)
"""What the client's own files mean by these names."""


def member(name: str, taken: Iterable[str] = ()) -> str:
    """The name of a method, an argument or a component. `taken`: names that are not free."""
    plain = "".join(each if each.isascii() and each.isalnum() else "_" for each in name)
    first, *others = [piece for piece in plain.split("_") if piece] or ["_"]
    camel = first[:1].lower() + first[1:] + "".join(piece[:1].upper() + piece[1:] for piece in others)
    if camel[:1].isdigit():
        camel = f"_{camel}"
    return _free(camel, {*_KEYWORDS, *_OF_EVERY_OBJECT, *taken})


def members(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """The names of several that stand side by side, each another one."""
    found: dict[str, str] = {}
    for name in names:
        found[name] = member(name, (*taken, *found.values()))
    return found


def classes(names: Iterable[str]) -> dict[str, str]:
    """The name of a class for each. Two differ in more than capitals: file systems may not tell their files apart otherwise."""
    found: dict[str, str] = {}
    used = {"_", *(each.lower() for each in _CLASSES)}
    for name in names:
        found[name] = _free(name[:1].upper() + name[1:], used, fold=True)
        used.add(found[name].lower())
    return found


def pascal(name: str) -> str:
    """Words with underscores as the name of a class."""
    return "".join(piece[:1].upper() + piece[1:] for piece in name.split("_") if piece) or "_"


def literal(text: str) -> str:
    """A string of Java. JSON's escapes are Java's; what would end the line or the string is escaped by a letter."""
    return json.dumps(text, ensure_ascii=True)


def comment(said: str, indent: int = 0, about: Iterable[tuple[str, str]] = ()) -> str:
    """Javadoc, in lines; "" for nothing. `about`: names of components, and what they are."""
    paragraphs = [("", _escaped(said)), *((f"@param {name} ", _escaped(text)) for name, text in about if text.strip())]
    lines = [line for start, text in paragraphs if text for line in _wrapped(start + text, LINE - indent - 3)]
    pad = " " * indent
    if len(lines) <= 1:
        return "".join(f"{pad}/** {line} */\n" for line in lines)
    return f"{pad}/**\n" + "".join(f"{pad} * {line}\n" for line in lines) + f"{pad} */\n"


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def _escaped(said: str) -> str:
    """As HTML in ASCII that ends no comment and is no tag of Javadoc."""
    words = html.escape(" ".join(said.split()), quote=False)
    for each in "\\/@{}":
        words = words.replace(each, f"&#{ord(each)};") if each != "/" else words.replace("*/", "*&#47;")
    return words.encode("ascii", "xmlcharrefreplace").decode()


def _free(name: str, taken: set[str] | frozenset[str], *, fold: bool = False) -> str:
    while (name.lower() if fold else name) in taken:
        name += "_"
    return name
