"""Records become documents and come back, also when another version wrote them."""

from __future__ import annotations

import json

import pytest

from appliance.management.iam.documents import document_of, record_of
from appliance.management.iam.users import User

ALICE = User("a1", "alice", "$argon2id$…", ("operator", "viewer"), 1, 2, recovery=("digest",))


def test_a_record_comes_back_from_json() -> None:
    assert record_of(User, json.loads(json.dumps(document_of(ALICE)))) == ALICE


def test_what_a_newer_version_wrote_is_left_aside_and_what_an_older_one_did_not_has_its_default() -> None:
    document = document_of(ALICE) | {"pronoun": "she"}
    del document["email"]
    assert record_of(User, document) == ALICE


def test_a_document_without_what_must_be_there_is_none() -> None:
    document = document_of(ALICE)
    del document["name"]
    with pytest.raises(TypeError):
        record_of(User, document)
