"""The file is one that protoc takes, and values come through it as they come through JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from grpc_tools import protoc

from appliance.management.descriptions.examples import example
from appliance.management.descriptions.models import models
from appliance.management.descriptions.numbers import numbers
from appliance.management.descriptions.openapi import document
from appliance.management.descriptions.proto import text
from appliance.management.operations.table import ROWS as TABLE
from tests.unit.management.descriptions.rows import ROWS, Thing

ROOT = Path(__file__).parents[4]
INCLUDES = Path(protoc.__file__).parent / "_proto"


def compiled(made: str, folder: Path) -> descriptor_pool.DescriptorPool:
    (folder / "appliance.proto").write_text(made)
    arguments = ["protoc", f"-I{folder}", f"-I{INCLUDES}", "--include_imports", f"--descriptor_set_out={folder / 'set'}"]
    assert protoc.main([*arguments, "appliance.proto"]) == 0
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString((folder / "set").read_bytes()).file:
        pool.Add(file)
    return pool


def message(pool: descriptor_pool.DescriptorPool, name: str) -> Any:
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"appliance.v1.{name}"))


def test_protoc_takes_what_is_committed(tmp_path: Path) -> None:
    pool = compiled((ROOT / "schemas/appliance.proto").read_text(), tmp_path)
    calls = [
        call.name for service in pool.FindFileByName("appliance.proto").services_by_name.values() for call in service.methods
    ]
    assert len(calls) == len(set(calls)) == len(TABLE)


def test_answers_come_through_it_as_they_are(tmp_path: Path) -> None:
    pool = compiled(text(document(TABLE, "1", {}), numbers("")), tmp_path)
    known = models(TABLE)
    for row in TABLE:
        told = example(known.of(row.result), known.schemas)
        made = json_format.ParseDict(told, message(pool, known.names[row.result])())
        back = json_format.MessageToDict(message(pool, known.names[row.result]).FromString(made.SerializeToString()))
        assert set(back) <= set(told), row.name


def test_streams_services_and_nothing(tmp_path: Path) -> None:
    pool = compiled(text(document(ROWS, "1", {}), numbers("")), tmp_path)
    things = pool.FindServiceByName("appliance.v1.ThingsService").methods_by_name
    assert things["ThingsFollow"].server_streaming
    assert things["ThingsFollow"].output_type.name == "ThingsFollowItem"
    assert things["ThingsRemove"].output_type.full_name == "google.protobuf.Empty"
    assert [each.name for each in things["ThingsChange"].input_type.fields] == ["name", "weight", "kind", "labels"]


def test_fields_have_the_types_of_their_schema() -> None:
    made = text(document(ROWS, "1", {}), numbers(""))
    thing = made.split("message Thing {")[1].split("}")[0]
    assert "string name = 1;" in thing
    assert "optional Part part = 3;" in thing
    assert "repeated google.protobuf.Value pair = 4;" in thing
    assert "map<string, string> labels = 5;" in thing
    assert "optional double weight = 6;" in thing
    assert "google.protobuf.Struct other_members = 7;" in thing


def test_a_field_that_is_gone_leaves_its_number_alone() -> None:
    kept = numbers('{"Thing": {"old_name": 1, "name": 2}}')
    thing = text(document(ROWS, "1", {}), kept).split("message Thing {")[1].split("}")[0]
    assert "reserved 1;" in thing
    assert 'reserved "old_name";' in thing
    assert "string name = 2;" in thing
    assert Thing.model_fields.keys() - {"name"} <= kept.of("Thing", ()).keys()


@pytest.mark.parametrize(
    ("name", "line"), [("rx_bytes", 'int64 rx_bytes = 1 [json_name = "rx_bytes"];'), ("size", "int64 size = 1;")]
)
def test_json_has_the_names_of_http(name: str, line: str) -> None:
    described = document(ROWS, "1", {})
    described["components"]["schemas"]["Part"] = {"properties": {name: {"type": "integer"}}, "required": [name]}
    assert line in text(described, numbers(""))
