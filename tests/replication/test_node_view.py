"""A node's view of itself, as it travels."""

import json

import pytest

from diag.errors import Unavailable
from diag.replication import LogId
from diag.replication.node_view import NodeView


def test_the_least_there_is() -> None:
    view = NodeView(3)
    assert NodeView.from_json(view.to_json()) == view


def test_there_and_back() -> None:
    view = NodeView(
        3, "c", "Follower", 7, 1, 90, LogId(7, 1, 88), LogId(6, 1, 40), LogId(6, 1, 40), "ab", (1, 3), (4,)
    )
    text = view.to_json()
    assert json.loads(text)["last_applied"] == {"term": 7, "node_id": 1, "index": 88}
    assert NodeView.from_json(text) == view


def test_other_versions_fields() -> None:
    assert NodeView.from_json('{"node_id": 3, "mood": [1]}') == NodeView(3)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"node_id": 3, "last_applied": {"x": 1}}'])
def test_what_no_node_says(text: str) -> None:
    with pytest.raises(Unavailable, match="not understood"):
        NodeView.from_json(text)
