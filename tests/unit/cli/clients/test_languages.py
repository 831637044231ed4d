from __future__ import annotations

import pytest

from appliance.cli.clients.generating import description
from appliance.cli.clients.languages import LANGUAGES, client


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_client_is_what_is_generated_and_what_is_written_by_hand(name: str) -> None:
    made = client(name, description(None))
    generated = LANGUAGES[name].generated(description(None))
    assert set(generated) < set(made)
    assert not [path for path in made if path.endswith(".in")]
    assert client(name, description(None)) == made


def test_files_by_hand_stand_in_folders_of_their_own() -> None:
    assert {"README.md", "src/lib.rs", "Cargo.toml", "src/models.rs"} <= set(client("rust", description(None)))
    assert {"README.md", "client.go", "go.mod", "models/models.go"} <= set(client("go", description(None)))
