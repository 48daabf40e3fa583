"""A client that speaks bare HTTP/2, for what no gRPC library would send."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import ngh2

CALL = (
    *((b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"x")),
    *((b"content-type", b"application/grpc"), (b"te", b"trailers")),
)


class H2Client:
    """One connection; what arrives is kept by stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.http2 = ngh2.Connection(
            ngh2.Role.CLIENT, ngh2.Configuration(peer_max_concurrent_streams=100_000)
        )
        self.headers: dict[int, dict[bytes, bytes]] = defaultdict(dict)
        self.data: dict[int, bytes] = defaultdict(bytes)
        self.ended: set[int] = set()
        self.closed = False
        self.greeted = False
        self._reader = reader
        self._writer = writer
        self._arrived = asyncio.Event()
        self._holding = False
        self._held: list[bytes] = []

    def call(self, path: bytes, *extra: tuple[bytes, bytes], end: bool = False) -> int:
        return self.request([*CALL, (b":path", path)], *extra, end=end)

    def request(
        self, headers: Sequence[tuple[bytes, bytes]], *extra: tuple[bytes, bytes], end: bool = False
    ) -> int:
        ordered = sorted(headers, key=lambda pair: not pair[0].startswith(b":"))
        stream = self.http2.send_request([*ordered, *extra], end_stream=end)
        self.flush()
        return stream

    def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        self.http2.send_data(stream, data, end_stream=end)
        self.flush()

    def reset(self, stream: int) -> None:
        self.http2.reset_stream(stream)
        self.flush()

    def leave(self) -> None:
        """Send GOAWAY."""
        self.http2.send_goaway()
        self.flush()

    def grant(self, window: int) -> None:
        """Let every stream have so many bytes, by a setting."""
        self.http2.update_settings({ngh2.Setting.INITIAL_WINDOW_SIZE: window})
        self.flush()

    def read_no_more(self) -> None:
        """Leave what comes in the socket."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def flush(self) -> None:
        if data := self.http2.data_to_send():
            self._held.append(data) if self._holding else self._writer.write(data)

    def write(self, data: bytes) -> None:
        """Send bytes that are no HTTP/2."""
        self._writer.write(data)

    @contextmanager
    def in_one_write(self) -> Iterator[None]:
        """What is sent inside goes out at the end, together."""
        self._holding = True
        yield
        self._holding = False
        self._writer.write(b"".join(self._held))
        self._held.clear()

    async def status(self, stream: int) -> tuple[int, str]:
        """The gRPC status a call ends with."""
        await self.until(lambda: stream in self.ended)
        headers = self.headers[stream]
        return int(headers[b"grpc-status"]), headers.get(b"grpc-message", b"").decode()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for what arrives to make the condition true."""
        async with asyncio.timeout(30):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

    async def read_all(self) -> None:
        while data := await self._reader.read(1 << 16):
            self.http2.receive_data(data)
            for event in self.http2.events():
                self._keep(event)
            self.flush()
            self._arrived.set()
        self.closed = True
        self._arrived.set()

    def _keep(self, event: ngh2.Event) -> None:
        self.greeted |= isinstance(event, ngh2.SettingsAcknowledged)
        if isinstance(event, ngh2.ResponseReceived | ngh2.TrailersReceived):
            self.headers[event.stream_id].update((pair[0], pair[1]) for pair in event.headers)
        elif isinstance(event, ngh2.DataReceived):
            self.data[event.stream_id] += event.data
        elif isinstance(event, ngh2.StreamClosed):
            self.ended.add(event.stream_id)
        if isinstance(event, ngh2.ResponseReceived) and event.end_stream:
            self.ended.add(event.stream_id)
        if isinstance(event, ngh2.TrailersReceived):
            self.ended.add(event.stream_id)


@asynccontextmanager
async def connected(port: int, window: int = 1 << 20) -> AsyncIterator[H2Client]:
    """A client of the server on this port that grants each stream ``window`` bytes at a time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = H2Client(reader, writer)
    client.http2.initiate_connection({ngh2.Setting.INITIAL_WINDOW_SIZE: window})
    client.http2.set_local_window_size(1 << 24)
    reading = asyncio.create_task(client.read_all())
    client.flush()
    try:
        yield client
    finally:
        writer.close()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
