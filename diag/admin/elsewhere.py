"""A kept profile of another node, for a comparison with one of ours: ``KEY@NODE``, as in ``follower@2``."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from fastapi import Request

from diag.admin.relay import Relay, question_of
from diag.errors import InvalidRequest, NotFound, Unavailable
from diag.profilers.about import About, checked_key
from diag.profilers.capture import Capture
from diag.replication import NodeAddress, Question

#: Seconds in which another node reads and draws a kept profile.
DRAWN_SECONDS: Final = 60.0


def parted(key: str) -> tuple[str, str | None]:
    """The id or name, and the node where one is named. Raises InvalidRequest."""
    own, at, node = key.partition("@")
    if at and not node:
        raise InvalidRequest(f"{key[:80]!r} names no node behind its @; write the node's id, as in {own}@2.")
    return checked_key(own), node or None


async def fetched(relay: Relay, request: Request, node: NodeAddress, key: str) -> tuple[About, Capture]:
    """The profile as that node keeps it. NotFound or Unavailable with what it says where it gives none."""

    async def answer(form: str) -> bytes:
        question = _question(request, key, form)
        return (await relay.hear(node, question, DRAWN_SECONDS)).content

    try:
        about = _about(json.loads(await answer("json")))
        return about, about.capture(await answer("folded"))
    except NotFound as error:
        raise NotFound(f"Node {node.node_id}: {error}") from None


def _question(request: Request, key: str, form: str) -> Question:
    return question_of(request)._replace(path=f"/debug/profiles/{key}?format={form}")


def _about(told: Mapping[str, Any]) -> About:
    """The account, of which JSON for people has the moment in words."""
    try:
        when = datetime.fromisoformat(told["when"]).timestamp()
        return About.from_json(json.dumps({**told, "when": when}).encode())
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable(f"Its account is none as this version makes them ({error}).") from None
