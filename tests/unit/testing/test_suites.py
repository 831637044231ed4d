"""The suite of sections, and who is told when the loop stands still."""

from __future__ import annotations

import asyncio
import threading

import pytest

from appliance.api.profile import ProfileSection, Section
from appliance.testing.conformance.sections import SectionConformance
from appliance.testing.conformance.turning import Turning


async def test_who_keeps_the_loop_is_told_with_the_line() -> None:
    async def beside() -> None:
        async with Turning():
            await asyncio.sleep(0)
            held_up()

    def held_up() -> None:
        threading.Event().wait(1.3)

    with pytest.raises(AssertionError, match=r"keeps the event loop for more than 1 s, at .*test_suites.py:\d+"):
        await beside()


async def test_who_waits_keeps_nobody() -> None:
    async with Turning() as turning:
        await asyncio.sleep(0.1)
    assert not turning.held


def test_a_section_hides_the_secrets_that_it_has() -> None:
    class Mail(Section):
        token: str = ""

    suite = SectionConformance()
    suite.section = lambda: ProfileSection("mail", lambda: Mail, secret_fields=frozenset({"tokn"}))  # type: ignore[method-assign]
    suite.test_its_model_takes_the_settings()
    suite.test_its_model_refuses_what_it_does_not_know()
    with pytest.raises(AssertionError, match="tokn"):
        suite.test_its_secrets_are_keys_of_it()
