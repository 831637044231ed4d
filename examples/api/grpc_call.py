"""Ask an API server over gRPC without generated code: what it can do is told by reflection. Needs grpcio and grpcio-reflection.

python examples/api/grpc_call.py ADDRESS                                  all methods
python examples/api/grpc_call.py ADDRESS SERVICE/METHOD ['{"json": 1}']   call one; the token is in the environment, as TOKEN
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

PACKAGE = "appliance.v1"


def methods(channel: grpc.Channel) -> Iterator[MethodDescriptor]:
    """All that the server tells of itself."""
    database = ProtoReflectionDescriptorDatabase(channel)
    pool = DescriptorPool(database)
    for name in database.get_services():
        if name.startswith(PACKAGE):
            yield from pool.FindServiceByName(name).methods


def answers(channel: grpc.Channel, method: MethodDescriptor, text: str) -> Iterator[str]:
    """Each answer as JSON: one, or those of a stream. Raises grpc.RpcError."""
    request = json_format.Parse(text, message_factory.GetMessageClass(method.input_type)())
    make = channel.unary_stream if method.server_streaming else channel.unary_unary
    call = make(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
    )
    told = call(request, timeout=60, metadata=[("authorization", f"Bearer {os.environ.get('TOKEN', '')}")])
    for each in told if method.server_streaming else [told]:
        yield json_format.MessageToJson(each, preserving_proto_field_name=True)


def main(address: str, wanted: str = "", text: str = "{}") -> None:
    """List, or call."""
    with grpc.insecure_channel(address) as channel:
        known = {f"{method.containing_service.name}/{method.name}": method for method in methods(channel)}
        if not wanted:
            print(*sorted(known), sep="\n")
            return
        try:
            for answer in answers(channel, known[wanted], text):
                print(answer, flush=True)
        except grpc.RpcError as error:
            problem = dict(error.trailing_metadata()).get("problem-bin", error.details())
            sys.exit(f"{error.code().name}: {problem.decode() if isinstance(problem, bytes) else problem}")


if __name__ == "__main__":
    main(*sys.argv[1:])
