"""Errors between nodes: raised on one, raised on the other as the same class, with what it carries."""

import json
from collections.abc import Iterator

import grpc
import grpc.aio

from diag.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    MessageTooLarge,
    MetaError,
    NotFound,
    NotImplementedHere,
    Unauthenticated,
    Unavailable,
)
from diag.replication.unreached import meaning_of

ERROR_KEY = "metadiag-error"

#: For an error without its class: the transport's own, or one of a newer node. Others are Unavailable.
_BY_STATUS: dict[str, type[MetaError]] = {
    kind.grpc_status: kind
    for kind in (
        Unauthenticated,
        Forbidden,
        NotFound,
        InvalidRequest,
        MessageTooLarge,
        NotImplementedHere,
        Conflict,
    )
}


def error_trailers(error: MetaError) -> tuple[tuple[str, str], ...]:
    """The metadata that goes with a status: the error's class and attributes, as JSON."""
    carried = {name: value for name, value in vars(error).items() if not name.startswith("_")}
    return ((ERROR_KEY, json.dumps({"class": type(error).__name__, **carried})),)


def error_of(failure: grpc.aio.AioRpcError, peer: str) -> MetaError:
    """What a failed call of ``peer`` says, in our tree."""
    details = failure.details() or "no reason was given"
    for key, value in failure.trailing_metadata() or ():
        if key == ERROR_KEY and (error := _rebuilt(str(value), details)) is not None:
            return error
    kind = _BY_STATUS.get(failure.code().name)
    if kind is not None:
        return kind(f"{peer} refuses the call: {details}")
    meaning = meaning_of(details)
    if meaning is not None:
        return Unavailable(f"{peer} cannot be reached: {meaning}")
    return Unavailable(f"{peer} cannot be reached, or broke off: {details}")


def _rebuilt(text: str, details: str) -> MetaError | None:
    try:
        carried = json.loads(text)
        kind = next(each for each in _tree(MetaError) if each.__name__ == carried["class"])
        del carried["class"]
        return kind(details, **carried)
    except (ValueError, KeyError, TypeError, StopIteration):
        return None  # of a newer node; its status says enough


def _tree(kind: type[MetaError]) -> Iterator[type[MetaError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)
