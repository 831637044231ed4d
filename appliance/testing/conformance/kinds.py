"""What the suites of all kinds have in common (api.kinds): a name, settings with a model, and something that is opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.api.kinds import Kind, settings_of
from appliance.api.services import judged
from appliance.testing.conformance.limits import Limited
from appliance.testing.services import FakeServices


class KindConformance(Limited):
    """The base of the suites of kinds. Subclasses say what `kind` returns."""

    noun = "kind"

    def kind(self) -> Any:
        """The kind to try."""
        raise NotImplementedError

    def settings(self) -> Mapping[str, Any]:
        """What the profile would say of it: settings that work on any machine."""
        return {}

    def subject(self) -> str:
        """Its family and name."""
        return f"{self.noun} {self.kind().name}"

    def opened(self, services: object) -> Any:
        """What a new one is, opened as the core opens it."""
        kind: Kind = self.kind()
        return kind.open(settings_of(kind, self.settings()), services)

    def test_it_has_the_shape_of_a_kind(self) -> None:
        assert tuple(self.kind())[:3] == (self.kind().name, self.kind().settings, self.kind().open)
        assert callable(self.kind().open)

    def test_settings_have_a_model_that_refuses_what_it_does_not_know(self) -> None:
        settings_of(self.kind(), self.settings())
        assert self._refuses({**self.settings(), "no_such_key": 1}), "misspelt keys must not pass: set extra='forbid'"

    def check_figures(self, opened: object, services: FakeServices) -> None:
        """Look at the figures that it tells, if it does."""
        own = getattr(opened, "stats", None)
        for source in [*services.sources, *([own] if callable(own) else [])]:
            judged(source())

    def _refuses(self, settings: Mapping[str, Any]) -> bool:
        try:
            settings_of(self.kind(), settings)
        except ValueError:
            return True
        return False
