"""Server reflection under the names of both its versions: their messages are the same."""

from collections.abc import Sequence

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from diag.rpc.dispatch import Handler

VERSIONS = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


def reflection_services(services: Sequence[str]) -> dict[str, dict[str, Handler]]:
    """Handlers by service name; ``services`` are those whose descriptors this process holds."""
    servicer = reflection.aio.ReflectionServicer((*services, *VERSIONS))
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return {version: {"ServerReflectionInfo": handler} for version in VERSIONS}
