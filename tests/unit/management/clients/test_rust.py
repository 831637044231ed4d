"""What is written in Rust. Its compiler judges it in tests/clients."""

from __future__ import annotations

import re
from typing import Any

import pytest

from appliance.management.clients.rust import Types, files
from appliance.management.clients.shapes import shape
from appliance.management.descriptions.openapi import document
from appliance.management.operations.row import Arguments, Result, Row, Secret, Verb
from tests.unit.management.descriptions.rows import ROWS

DOCUMENT = document(ROWS, "1.2", {})


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string"}, "String"),
        ({"type": "integer", "format": "int64"}, "i64"),
        ({"type": ["string", "null"]}, "Option<String>"),
        ({"anyOf": [{"$ref": "#/components/schemas/Part"}, {"type": "null"}]}, "Option<models::Part>"),
        ({"type": "array", "items": {"type": ["string", "null"]}}, "Vec<Option<String>>"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "BTreeMap<String, bool>"),
        ({"anyOf": [{"type": "number"}, {"type": "string"}]}, "Value"),
    ],
)
def test_a_type(schema: Any, text: str) -> None:
    assert Types(DOCUMENT).written(shape(schema)) == text


def test_methods_for_values_pages_streams_and_nothing() -> None:
    made = files(DOCUMENT)["src/operations.rs"]
    assert "    pub fn things(&self, arguments: &ThingsArguments) -> Result<models::Things, Error> {" in made
    assert "    pub fn things_all(&self, arguments: &ThingsArguments) -> Pages<models::Thing> {" in made
    assert "    pub fn things_follow(&self, arguments: &ThingsFollowArguments) -> Stream<models::Thing> {" in made
    assert "    pub fn things_remove(&self, arguments: &ThingsRemoveArguments) -> Result<(), Error> {" in made
    assert 'format!("/api/v1/things/{}", part(&arguments.name))' in made


class _Odd(Arguments):
    """Odd names."""

    type: int
    Type: int
    self_: int


class _Answer(Result):
    """Ends here */ // and `there`."""

    otherMembers: int  # noqa: N815
    token: Secret


def test_names_that_are_taken_are_given_a_number_and_keywords_a_line() -> None:
    row = Row("clone", "say it\nfn main() {}", "Test", "a.b", Verb.POST, "/clone", _Answer, _Odd)
    made = files(document([row], "1.2", {}))
    assert "pub fn clone2(" in made["src/operations.rs"]
    assert re.findall(r"^    pub (\w+): i64,$", made["src/operations.rs"], re.MULTILINE) == ["type_", "type_2", "self_"]
    assert "\nfn main" not in made["src/operations.rs"]
    assert '#[serde(rename = "otherMembers")]\n    pub other_members2: i64,' in made["src/models.rs"]


def test_secrets_are_not_printed() -> None:
    row = Row("hello", "say it", "Test", "a.b", Verb.POST, "/hello", _Answer)
    made = files(document([row], "1.2", {}))["src/models.rs"]
    assert "#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]\n#[serde(default)]\npub struct Answer {" in made
    assert '.field("other_members2", &self.other_members2)' in made
    assert '.field("token"' not in made


def test_what_holds_itself_is_behind_a_box() -> None:
    found = document(ROWS, "1.2", {})
    found["components"]["schemas"]["Thing"]["properties"]["inner"] = {"$ref": "#/components/schemas/Thing"}
    assert "    pub inner: Option<Box<Thing>>,\n" in files(found)["src/models.rs"]


@pytest.mark.parametrize(
    ("version", "release"), [("1.2", "1.2.0"), ("1.2.3rc4", "1.2.3"), ("01.2.3.4", "1.2.3"), ("next", "0.0.0")]
)
def test_a_version_is_one_that_cargo_takes(version: str, release: str) -> None:
    assert f'version = "{release}"\n' in files(document(ROWS, version, {}))["Cargo.toml"]


def test_the_same_description_makes_the_same_files() -> None:
    assert files(document(ROWS, "1.2", {})) == files(document(ROWS, "1.2", {}))
