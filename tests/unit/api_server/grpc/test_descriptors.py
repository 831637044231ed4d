"""The reader of the .proto file, held to protoc."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

from appliance.api_server.grpc.descriptors import committed, descriptor
from appliance.management.descriptions.numbers import numbers
from appliance.management.descriptions.openapi import document
from appliance.management.descriptions.proto import text
from tests.unit.management.descriptions.rows import ROWS

INCLUDES = Path(protoc.__file__).parent / "_proto"
KEPT = '{"Thing": {"old_name": 1, "older": 2, "name": 3}}'


@pytest.mark.parametrize("said", [committed(), text(document(ROWS, "1", {}), numbers(KEPT))], ids=["ours", "with fields gone"])
def test_it_reads_what_protoc_reads(said: str, tmp_path: Path) -> None:
    (tmp_path / "appliance.proto").write_text(said)
    arguments = ["protoc", f"-I{tmp_path}", f"-I{INCLUDES}", f"--descriptor_set_out={tmp_path / 'set'}", "appliance.proto"]
    assert protoc.main(arguments) == 0
    (theirs,) = descriptor_pb2.FileDescriptorSet.FromString((tmp_path / "set").read_bytes()).file
    assert descriptor(said) == theirs


def test_another_line_is_refused() -> None:
    with pytest.raises(ValueError, match="no line of"):
        descriptor('syntax = "proto3";\nenum Kind {\n}\n')
