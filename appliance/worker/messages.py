"""How the control process and the worker say things to each other: typed records above, one SOCK_SEQPACKET packet each below.

    ["LinkDrop", 7]  as JSON: the kind, then its fields in order; a newline; raw bytes

JSON because the worker parses hostile bytes and must not be able to hand the control process objects; one packet each so that
no framing is needed. A field of the type `bytes` travels raw behind the newline (a message has at most one), so keys are never
text. A field of the type `Descriptor` rides along by SCM_RIGHTS. What may be said is in `orders` and `reports`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, NoReturn

Descriptor = int
"""A file descriptor: the sender's number before it travels, the receiver's after, whose it is then."""
Message = tuple[Any, ...]
"""One of the NamedTuples of a family."""

_encoder = json.JSONEncoder(separators=(",", ":"))


class Family:
    """The messages of one direction: NamedTuples, known on the wire by their class's name. Their plain fields come first, then
    those of the type Descriptor, then one of bytes."""

    def __init__(self, *kinds: type[Message]) -> None:
        self._by_name = {kind.__name__: _Form.of(kind) for kind in kinds}

    def encode(self, message: Message) -> tuple[bytes, Sequence[int]]:
        """The bytes of a message and the descriptors that go with it."""
        name = type(message).__name__
        form = self._by_name[name]
        plain = len(form.readers)
        text = _encoder.encode([name, *message[:plain]]).encode()
        return text + b"\n" + (message[-1] if form.raw else b""), message[plain : plain + form.descriptors]

    def decode(self, packet: bytes, descriptors: Sequence[int] = ()) -> Any:
        """The message in a packet that came with these descriptors.

        Raises ValueError, TypeError, KeyError or RecursionError if it is not one of this family, or a field is not of its type.
        What is in sequences and mappings is not looked at.
        """
        text, _, payload = packet.partition(b"\n")
        name, *values = _decoder.decode(text.decode())
        form = self._by_name[name]
        if len(descriptors) != form.descriptors or (payload and not form.raw):
            raise ValueError(f"{name} came with something that it does not have")
        plain = [read(value) for read, value in zip(form.readers, values, strict=True)]
        return form.kind(*plain, *descriptors, *((payload,) if form.raw else ()))


class _Form(NamedTuple):
    """How one kind travels: what judges each of its plain fields, how many descriptors it has, and whether raw bytes follow."""

    kind: Callable[..., Message]
    readers: tuple[Callable[[Any], Any], ...]
    descriptors: int
    raw: bool

    @classmethod
    def of(cls, kind: type[Message]) -> _Form:
        types = [written(annotation) for annotation in kind.__annotations__.values()]
        descriptors, raw = types.count("Descriptor"), types.count("bytes")
        plain = types[: len(types) - descriptors - raw]
        assert types == [*plain, *["Descriptor"] * descriptors, *["bytes"] * raw]
        return cls(kind, tuple(map(_reader, plain)), descriptors, bool(raw))


def written(annotation: Any) -> str:
    """An annotation as the source has it."""
    return str(getattr(annotation, "__forward_arg__", annotation))


def _reader(annotation: str) -> Callable[[Any], Any]:
    """What takes a field of that type from JSON, and raises TypeError or ValueError if it is not one."""
    if annotation.endswith(" | None"):
        read = _reader(annotation.removesuffix(" | None"))
        return lambda value: None if value is None else read(value)
    return _READERS[annotation.partition("[")[0]]


def _exactly(*types: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) not in types:
            raise TypeError(f"a {type(value).__name__} is none of {types}")
        return value

    return read


def _address(value: Any) -> tuple[str, int]:
    host, port = value[:2]
    return _READERS["str"](host), _READERS["int"](port)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


_decoder = json.JSONDecoder(parse_constant=_no_number)
_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "bool": _exactly(bool),
    "int": _exactly(int),
    "float": _exactly(float, int),
    "str": _exactly(str),
    "Sequence": _exactly(list),
    "Mapping": _exactly(dict),
    "SocketAddress": _address,
}
"""By the annotation in the source, without what is in its brackets."""
