"""Errors between nodes, where what comes is not what this version sends; the calls' own are in tests/rpc."""

import grpc
import grpc.aio
import pytest

from diag.errors import Compacted, MessageTooLarge, MetaError, NotImplementedHere, Unavailable
from diag.replication.peer_errors import ERROR_KEY, error_of, error_trailers


def _failure(status: grpc.StatusCode, *trailers: tuple[str, str]) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(status, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), "said")


def _rebuilt(error: MetaError) -> MetaError:
    return error_of(_failure(grpc.StatusCode[error.grpc_status], *error_trailers(error)), "node 2")


def test_the_class_and_what_it_carries() -> None:
    error = _rebuilt(Compacted("said", 7))
    assert (type(error), str(error), error.revision) == (Compacted, "said", 7)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"class": "Newer"}', '{"class": "Exception"}', '{"class": "Compacted"}']
)
def test_a_class_that_is_not_known_here_is_told_by_its_status(text: str) -> None:
    error = error_of(_failure(grpc.StatusCode.UNIMPLEMENTED, (ERROR_KEY, text)), "node 2")
    assert (type(error), str(error)) == (NotImplementedHere, "node 2 refuses the call: said")


def test_the_transports_words_become_a_sentence() -> None:
    said = (
        "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:9391: "
        "Failed to connect to remote host: Connection refused"
    )
    failure = grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), said
    )
    error = error_of(failure, "node 3 at 127.0.0.1:9391")
    assert str(error) == (
        "node 3 at 127.0.0.1:9391 cannot be reached: nothing listens there; start the node, or correct the "
        "address it advertises."
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.CANCELLED, Unavailable),
        (grpc.StatusCode.INTERNAL, Unavailable),
        (grpc.StatusCode.UNKNOWN, Unavailable),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, MessageTooLarge),
    ],
)
def test_the_transports_own_errors(status: grpc.StatusCode, kind: type[MetaError]) -> None:
    assert type(error_of(_failure(status), "node 2")) is kind
