"""The id of the request that is being served: given by its client, or made here.

It stands in the answer, in every line that is logged meanwhile, and in the same request where it is
passed on to another node.
"""

import re
import secrets
from contextvars import ContextVar
from typing import Final

#: Header and metadata key, in lower case.
HEADER: Final = "x-request-id"

# What a client may call its request: nothing that would need quoting in a log or a page.
_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}")
_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def begin_request(given: str | None) -> str:
    """The id from now on in the calling task: ``given`` where that has the form of one, else a new one."""
    request_id = given if given is not None and has_form(given) else secrets.token_hex(8)
    _current.set(request_id)
    return request_id


def has_form(given: str) -> bool:
    """Whether a client may call its request so."""
    return _FORM.fullmatch(given) is not None


def current_request() -> str | None:
    """The id of the request the calling task serves."""
    return _current.get()
