"""API tokens: an accessor for logs, a secret for the program, and a check that tells a broken one from a revoked one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.management.iam.api_tokens import (
    LONGEST_SECONDS,
    RANDOM_BYTES,
    TokenRefused,
    client_secret,
    is_over,
    is_secret_of,
    read,
    text_of_client,
    token_of,
)

NOW = 1_800_000_000
TOKEN, TEXT = token_of(bytes(range(RANDOM_BYTES)), "a1", "backup", ["node.read", "jobs.run", "node.read"], NOW, 86_400)


def test_a_token_is_read_and_its_secret_known() -> None:
    found = read(TEXT)
    assert found is not None
    accessor, secret = found
    assert accessor == TOKEN.accessor == "0001020304050607"
    assert is_secret_of(secret, TOKEN)
    assert not is_secret_of(secret[:-1] + "a", TOKEN)
    assert TOKEN.scopes == ("jobs.run", "node.read")


def test_one_letter_that_is_wrong_is_noticed_without_asking_the_store() -> None:
    for at in range(len(TEXT)):
        assert read(TEXT[:at] + ("a" if TEXT[at] != "a" else "b") + TEXT[at + 1 :]) is None
    assert all(read(TEXT[:length]) is None for length in range(len(TEXT)))


@given(text=st.text())
def test_no_text_raises(text: str) -> None:
    assert read(text) is None
    assert read("apl_" + text) is None
    assert read(text_of_client(text, text)) is None


def test_what_is_kept_and_printed_is_no_secret() -> None:
    secret = TEXT.split("_")[2]
    assert secret[:20] not in repr(tuple(TOKEN))
    assert TOKEN.digest not in repr(TOKEN)
    assert TOKEN.accessor in repr(TOKEN)


def test_a_client_sends_the_two_halves_or_the_whole() -> None:
    assert text_of_client(TOKEN.accessor, client_secret(TEXT)) == TEXT
    assert text_of_client(TOKEN.accessor, TEXT) == TEXT
    assert text_of_client("ffffffffffffffff", TEXT) == ""
    assert read(text_of_client("ffffffffffffffff", client_secret(TEXT))) is None


@pytest.mark.parametrize("name", ["", " ", "a" * 101, "a\nb", "\ud800"])
def test_a_token_says_what_it_is_for(name: str) -> None:
    with pytest.raises(TokenRefused):
        token_of(bytes(RANDOM_BYTES), "a1", name, ["node.read"], NOW, 60)


def test_a_token_has_some_scopes_and_an_end() -> None:
    for scopes, seconds in (([], 60), (["a.b"] * 65, 60), (["a.b"], 0), (["a.b"], -1), (["a.b"], LONGEST_SECONDS + 1)):
        with pytest.raises(TokenRefused):
            token_of(bytes(RANDOM_BYTES), "a1", "backup", scopes, NOW, seconds)
    assert not is_over(TOKEN, NOW + 86_399)
    assert is_over(TOKEN, NOW + 86_400)
