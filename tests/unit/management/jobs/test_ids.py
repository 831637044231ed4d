"""Ids of executions are in the order of their time."""

from __future__ import annotations

from uuid import UUID

from appliance.management.jobs.ids import RANDOM_BYTES, execution_id


def test_an_id_is_a_uuid_of_version_7() -> None:
    for random in (bytes(RANDOM_BYTES), b"\xff" * RANDOM_BYTES):
        made = UUID(execution_id(1_645_557_742_000, random))
        assert (made.version, made.variant) == (7, "specified in RFC 4122")
        assert made.int >> 80 == 1_645_557_742_000


def test_the_example_of_the_standard() -> None:
    # RFC 9562, appendix A.6
    assert execution_id(0x017F22E279B0, bytes.fromhex("0cc318c4dc0c0c07398f")) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_later_ones_are_greater() -> None:
    assert execution_id(1, b"\xff" * RANDOM_BYTES) < execution_id(2, bytes(RANDOM_BYTES))
