"""The scenarios of `api/`, each played at an API server with three users: alice is its admin, bob an operator, carol a viewer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from tests.rigs.api_scenario import Player, Scenario, read
from tests.rigs.whole_api import PASSWORD, first_user, whole_api

FILES = sorted((Path(__file__).parent / "api").glob("*.yaml"))


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    with whole_api(tmp_path_factory.mktemp("api")) as base:
        asked = {"authorization": f"Bearer {first_user(base)}"}
        for name, role in (("bob", "operator"), ("carol", "viewer")):
            user = {"name": name, "password": PASSWORD, "roles": [role]}
            assert httpx.post(f"{base}/api/v1/users", json=user, headers=asked, timeout=60).is_success
        made = Player(base)
        yield made
        made.close()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_goes_as_written(path: Path, player: Player) -> None:
    player.play(read(path))


def scenario(**expect: object) -> Scenario:
    step = {"as": "nobody", "ask": "GET /health", "expect": expect}
    return Scenario.model_validate({"scenario": "a trial", "steps": [step, step]})


@pytest.mark.parametrize(
    "expect",
    [{"status": 404}, {"body": {"status": "ill"}}, {"body": {"more": 1}}, {"body": {"status": ["ok"]}}, {"events": ["state"]}],
)
def test_one_that_goes_otherwise_fails_with_its_step(expect: dict[str, object], player: Player) -> None:
    player.play(scenario(status=200, body={"status": "ok"}))
    with pytest.raises(AssertionError, match="a trial, step 1, GET /health: 200"):
        player.play(scenario(**expect))


def test_a_key_that_nobody_knows_is_a_mistake() -> None:
    with pytest.raises(ValidationError):
        scenario(stats=200)
