"""The two gRPC servers behind one interface, grpc.aio's."""

import asyncio
from typing import Any, TypeAlias

import grpc.aio

Options: TypeAlias = list[tuple[str, Any]]

#: How long a stream waits before it tries a client that had no room; doubled up to the second figure.
_FIRST_WAIT = 0.001
_LAST_WAIT = 0.05


def grpcio_server(options: Options) -> grpc.aio.Server:
    """gRPC's own server."""
    return grpc.aio.server(options=options)


def native_server(options: Options) -> grpc.aio.Server:
    """The server whose HTTP/2 runs in Rust.

    One of its ways is replaced. There, a stream whose client has no room waits in a
    thread of the loop's small default pool, where no cancellation reaches it: a few
    clients that stopped reading would stop every such stream. Here the stream tries
    again from the loop, later and later.
    """
    from pygrpc_native import STREAM_CLOSED, STREAM_FULL  # absent on some platforms
    from pygrpc_native.aio import Server

    class NativeServer(Server):  # type: ignore[misc]  # its types are not checked
        async def _send(self, call: Any, context: Any, response: Any) -> bool:
            data = self._encode(call, context, response)
            if data is None:
                return False
            context._initial_sent = True
            sent = self._front.stream_try_send(call.call_id, data)
            wait = _FIRST_WAIT
            while sent == STREAM_FULL:
                await asyncio.sleep(wait)
                wait = min(2 * wait, _LAST_WAIT)
                sent = self._front.stream_try_send(call.call_id, data)
            if sent == STREAM_CLOSED:
                raise asyncio.CancelledError  # what grpcio's write does once the client is gone
            return True

    server: grpc.aio.Server = NativeServer(options=options)
    return server
