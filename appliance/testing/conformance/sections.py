"""What every section of a profile that a plugin brings does (`appliance_profile_sections`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from appliance.api.profile import ProfileSection
from appliance.testing.conformance.limits import Limited


class SectionConformance(Limited):
    """Subclass it, name the subclass Test…, and return your section, and settings where it has some that must be there."""

    def section(self) -> ProfileSection:
        """The section to try."""
        raise NotImplementedError

    def settings(self) -> Mapping[str, Any]:
        """What a profile would say in it."""
        return {}

    def subject(self) -> str:
        """Its name."""
        return f"section {self.section().name}"

    def test_its_model_takes_the_settings(self) -> None:
        self.section().model().model_validate(self.settings())

    def test_its_model_refuses_what_it_does_not_know(self) -> None:
        with pytest.raises(ValueError, match="no_such_key"):
            self.section().model().model_validate({**self.settings(), "no_such_key": 1})

    def test_its_secrets_are_keys_of_it(self) -> None:
        keys = set(self.section().model().model_fields)
        strange = [name for name in self.section().secret_fields if name.partition(".")[0] not in keys]
        assert not strange, f"nothing would be hidden: {strange} are no keys of the section"
