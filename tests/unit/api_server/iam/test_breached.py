"""A list of stolen passwords is searched, not read."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path

import pytest

from appliance.api_server.iam.breached import breached_in
from appliance.errors import HostError

STOLEN = [f"password {number}" for number in range(2000)]


def digest(password: str) -> str:
    return sha1(password.encode()).hexdigest().upper()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 2000])
def test_each_that_is_in_the_list_is_found_and_no_other(tmp_path: Path, count: int, end: str) -> None:
    path = tmp_path / "stolen"
    lines = sorted(f"{digest(password)}:{number % 977}" for number, password in enumerate(STOLEN[:count]))
    path.write_bytes("".join(line + end for line in lines).encode())
    breached = breached_in(str(path))
    assert all(breached(password) for password in STOLEN[:count])
    assert not any(breached(f"other {number}") for number in range(500))


def test_a_list_without_counts_or_a_last_newline_will_do(tmp_path: Path) -> None:
    path = tmp_path / "stolen"
    path.write_text("\n".join(sorted(digest(password).lower() for password in STOLEN[:50])))
    assert all(breached_in(str(path))(password) for password in STOLEN[:50])


def test_without_a_list_none_is_stolen() -> None:
    assert not breached_in(None)("password")


def test_a_list_that_is_not_there_is_said_at_once_and_one_that_goes_later_stops_nobody(tmp_path: Path) -> None:
    with pytest.raises(HostError):
        breached_in(str(tmp_path / "nowhere"))
    path = tmp_path / "stolen"
    path.write_text(digest("password") + ":1\n")
    breached = breached_in(str(path))
    assert breached("password")
    path.unlink()
    assert not breached("password")


@pytest.mark.parametrize("content", [b"\n" * 100, b"\0" * 1000, b"x" * 10_000, b"A:\n:\n\nZ", bytes(range(256)) * 40])
def test_whatever_the_file_is_the_search_ends(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "stolen"
    path.write_bytes(content)
    assert not breached_in(str(path))("password")
