"""What every log-in does: send a browser on, keep its secrets off the way, and let nobody in who brings nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from appliance.api.api_parts import ApiServices
from appliance.api.login_settings import LoginSettings
from appliance.api.logins import Login, LoginKind
from appliance.errors import ApplianceError
from appliance.testing.api_parts import FakeApiServices
from appliance.testing.conformance.kinds import KindConformance

CALLBACK: Final = "https://node.example.net/login/it/callback"
LONGEST_KEPT: Final = 16_384
"""Characters that the API server keeps of what `begin` returns."""

Story = Callable[[Login], Awaitable[None]]


class LoginConformance(KindConformance):
    """Subclass it, name the subclass Test…, and return your kind and settings of another side that is there."""

    noun = "login"
    needs = ""
    """What has to be there for these tests, if that is not so; then they only look at the shape."""

    def kind(self) -> LoginKind:
        """The kind to try."""
        raise NotImplementedError

    def services(self) -> ApiServices:
        """What it is opened with."""
        return FakeApiServices()

    def told(self, story: Story) -> None:
        """Let something happen with an open log-in."""
        if self.needs:
            pytest.skip(f"it needs {self.needs}")

        async def tell() -> None:
            services = self.services()
            async with self.opened(services) as login:
                await story(login)
            if isinstance(services, FakeApiServices):
                await services.close()

        asyncio.run(tell())

    def test_its_settings_say_what_groups_are_worth(self) -> None:
        model = self.kind().settings
        assert model is not None
        assert issubclass(model(), LoginSettings), "the model derives from api.login_settings.LoginSettings"

    def test_a_browser_is_sent_on_with_the_state_and_without_the_secret(self) -> None:
        async def story(login: Login) -> None:
            urls = set()
            for secret in ("1" * 64, "2" * 64):
                begun = await login.begin(CALLBACK, "the-state", secret)
                assert begun.url.startswith(("https://", "http://"))
                assert "the-state" in begun.url
                assert secret not in begun.url
                assert len(json.dumps(dict(begun.kept))) <= LONGEST_KEPT
                assert all(isinstance(text, str) for pair in begun.kept.items() for text in pair)
                urls.add(begun.url)
            assert len(urls) == 2, "nothing is random in it"

        self.told(story)

    @pytest.mark.parametrize(
        "brought", [{}, {"code": ""}, {"code": "made-up"}, {"error": "access_denied"}, {"code": "x" * 10_000}]
    )
    def test_nobody_comes_in_who_brings_nothing(self, brought: dict[str, str]) -> None:
        async def story(login: Login) -> None:
            begun = await login.begin(CALLBACK, "the-state", "1" * 64)
            with pytest.raises(ApplianceError):
                await login.finish(CALLBACK, begun.kept, {"state": "the-state", **brought})

        self.told(story)
