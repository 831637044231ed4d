from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.api.values import Endpoint
from appliance.members.code import ALPHABET, Code, CodeInvalid, Contact, read_code, write_code
from appliance.members.network import identity_text

SECRET = bytes(range(16))
INVITER, RELAY = (identity_text(Random(seed).randbytes(32)) for seed in (1, 2))
HOME = tuple(map(Endpoint.parse, ("udp://198.51.100.7:8443", "tcp://198.51.100.7:8443")))


def code_of(*endpoints: str, relays: tuple[Contact, ...] = ()) -> Code:
    return Code(SECRET, Contact(INVITER, tuple(map(Endpoint.parse, endpoints))), relays)


def test_a_code_is_short_enough_for_a_small_qr_and_for_reading_aloud() -> None:
    text = write_code(code_of("udp://198.51.100.7:8443", "tcp://198.51.100.7:8443"))
    groups = text.split("-")
    assert len(groups) == 19
    assert {len(group) for group in groups} == {5}
    assert set("".join(groups)) <= set(ALPHABET)


@pytest.mark.parametrize(
    "endpoints",
    [
        (),
        ("udp://198.51.100.7:8443",),
        ("tcp://198.51.100.7:8443", "udp://198.51.100.7:8443"),
        ("udp://198.51.100.7:8443", "tcp://198.51.100.7:8443", "udp://[2001:db8::1]:1", "tcp://[2001:db8::1]:1"),
        ("udp://vpn.example:65535", "tcp://vpn.example:65535", "wss://vpn.example/path"),
        tuple(f"udp://192.0.2.{number}:8443" for number in range(15)),
    ],
)
def test_what_was_written_is_read(endpoints: tuple[str, ...]) -> None:
    code = code_of(*endpoints)
    assert read_code(write_code(code)) == code


def test_a_relay_is_named_with_where_it_is() -> None:
    code = code_of(relays=(Contact(RELAY, HOME), Contact(INVITER, ())))
    assert read_code(write_code(code)) == code


def test_a_code_may_be_typed_as_people_type() -> None:
    code = code_of("udp://198.51.100.7:8443")
    text = write_code(code)
    for typed in (
        text.lower(),
        text.replace("-", " "),
        text.replace("-", ""),
        f"  {text}\n",
        text.replace("0", "o"),
        text.replace("1", "l"),
    ):
        assert read_code(typed) == code


@given(st.data())
def test_one_wrong_character_is_noticed(data: st.DataObject) -> None:
    symbols = list(write_code(code_of("udp://198.51.100.7:8443")).replace("-", ""))
    place = data.draw(st.integers(0, len(symbols) - 1))
    symbols[place] = data.draw(st.sampled_from([symbol for symbol in ALPHABET if symbol != symbols[place]]))
    with pytest.raises(CodeInvalid):
        read_code("".join(symbols))


@given(st.integers(0, 93))
def test_two_characters_that_changed_places_are_noticed(place: int) -> None:
    text = write_code(code_of("udp://198.51.100.7:8443")).replace("-", "")
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    if swapped != text:
        with pytest.raises(CodeInvalid):
            read_code(swapped)


@pytest.mark.parametrize(
    ("spoilt", "sentence"),
    [
        (lambda _text: "", "that is no code"),
        (lambda text: text * 40, "that is no code"),
        (lambda text: text[:30], "not complete|typing error"),
        (lambda text: text[:-6], "typing error.*, or a part is missing"),
        (lambda text: "U" + text[1:], "group 1 of the code has a character that no code has"),
        (lambda text: text[:13] + "é" + text[14:], "group 3 of the code"),
    ],
)
def test_each_mistake_has_its_sentence(spoilt: object, sentence: str) -> None:
    text = write_code(code_of("udp://198.51.100.7:8443"))
    with pytest.raises(CodeInvalid, match=sentence) as caught:
        read_code(spoilt(text))  # type: ignore[operator]
    assert caught.value.hint
    assert text not in caught.value.text()


def test_a_newer_version_is_told_from_a_typing_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.members.code.VERSION", 2)
    text = write_code(code_of("udp://198.51.100.7:8443"))
    monkeypatch.undo()
    with pytest.raises(CodeInvalid, match="newer version"):
        read_code(text)


@given(st.binary(min_size=49, max_size=120))
def test_whatever_a_code_says_is_read_or_refused(plain: bytes) -> None:
    from appliance.members import code as module

    text = module._symbols(bytes([0x10 | plain[0] & 0xF]) + plain[1:] + module._check(bytes([0x10 | plain[0] & 0xF]) + plain[1:]))
    try:
        found = read_code(text)
    except CodeInvalid:
        return
    assert found.secret == plain[1:17]


@pytest.mark.parametrize(
    ("endpoints", "sentence"),
    [
        (tuple(f"udp://192.0.2.{number}:8443" for number in range(16)), "room for 15 places"),
        (("udp://[fe80::1%eth0]:8443",), "link-local"),
        (("wss://" + "a" * 300 + ".example/",), "does not fit"),
    ],
)
def test_what_a_code_cannot_say_is_refused_where_it_is_made(endpoints: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CodeInvalid, match=sentence):
        write_code(code_of(*endpoints))


def test_nothing_shows_the_secret() -> None:
    assert SECRET.hex() not in repr(code_of())
    assert repr(SECRET) not in repr(code_of())
