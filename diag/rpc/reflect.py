"""Server reflection under the names of both its versions: their messages are the same."""

from collections.abc import AsyncIterator, Sequence

from grpc_reflection.v1alpha import reflection, reflection_pb2

from diag.rpc.dispatch import Context, Handler

VERSIONS = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


def reflection_services(services: Sequence[str]) -> dict[str, dict[str, Handler]]:
    """Handlers by service name; ``services`` are those whose descriptors this process holds."""
    servicer = reflection.aio.ReflectionServicer((*services, *VERSIONS))

    async def serve(payloads: AsyncIterator[bytes], context: Context) -> None:
        requests = (reflection_pb2.ServerReflectionRequest.FromString(each) async for each in payloads)
        async for reply in servicer.ServerReflectionInfo(requests, context):
            await context.write(reply.SerializeToString())

    handler = Handler("exchange", serve)
    return {version: {"ServerReflectionInfo": handler} for version in VERSIONS}
