import copy
import json
from typing import Any

import pytest

from diag.admin.dashboard.cluster import FEW_ENTRIES, overview, require_vitals
from diag.errors import NotInTime, Unavailable
from diag.replication import NodeAddress
from tests.admin.members import ADDRESSES

NOW = 1_000_000.0
VITALS: dict[str, Any] = {
    "status": {
        "is_leader": True,
        "state": "Leader",
        "current_term": 3,
        "last_log_index": 1000,
        "last_applied": {"index": 1000},
        "key_count": 12345,
        "db_size": 3 << 20,
        "snapshot": {"created_ms": (NOW - 130) * 1000},
        "leader": {"name": "1"},
        "voters": [{"name": "1"}, {"name": "2"}],
    },
    "figures": {"rate": 120.0, "p99": 0.004, "loop_lag": 0.01, "cpu": 0.25, "rss": 80 << 20, "watchers": 2},
}


def vitals(figures: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    return {
        "status": VITALS["status"] | status,
        "figures": VITALS["figures"] | (figures or {}),
    }


def told(**others: Any) -> list[tuple[NodeAddress, Any]]:
    return [(ADDRESSES[1], vitals(**others))]


def test_a_node_of_its_own() -> None:
    seen = overview(told(), 1, NOW)
    (row,) = seen.rows
    assert (seen.level, seen.headline) == ("good", "The node answers. Node 1 leads in term 3.")
    assert (row.level, row.notes, row.leads, row.can_lead) == ("good", [], True, False)
    assert row.cells["snapshot"] == "2 min"
    assert row.cells["keys"] == "12,345"
    assert row.cells["p99"] == "4 ms"


def test_without_a_snapshot_and_before_the_first_figures() -> None:
    (row,) = overview([(ADDRESSES[1], vitals(snapshot=None) | {"figures": None})], 1, NOW).rows
    assert (row.cells["snapshot"], row.cells["rate"], row.cells["rss"]) == ("none", "–", "–")  # noqa: RUF001


def test_what_it_says_of_its_profiles_is_passed_on_in_bounds() -> None:
    words = [vitals(), vitals() | {"profiles": "17-3"}, vitals() | {"profiles": ["<b>" * 1000]}]
    rows = overview([(ADDRESSES[1], word) for word in words], 1, NOW).rows
    assert [row.profiles for row in rows][:2] == ["", "17-3"]
    assert len(rows[2].profiles) <= 20


def test_a_node_that_does_not_answer() -> None:
    silent = (ADDRESSES[2], Unavailable("Node 2 is not reachable."))
    seen = overview([*told(), silent], 1, NOW)
    assert seen.headline == "1 of 2 nodes answer; not 2. Node 1 leads in term 3."
    assert seen.level == "bad"
    assert seen.rows[1].notes == ["Node 2 is not reachable."]
    assert not seen.rows[1].can_lead
    assert json.loads(json.dumps(seen.as_dict()))["rows"][1]["cells"]["state"] == "No answer"


def test_a_leader_that_does_not_answer_is_named_by_the_others() -> None:
    follows: dict[str, Any] = {"is_leader": False, "state": "Follower"}
    older = (ADDRESSES[1], vitals(**follows, current_term=2, leader={"name": "1"}))
    newer = (ADDRESSES[2], vitals(**follows, leader={"name": "3"}))
    gone, late = Unavailable("Node 3 is not reachable."), NotInTime("Node 3 has not answered within 0.1 s.")
    seen = overview([older, newer, (ADDRESSES[3], gone)], 1, NOW)
    assert seen.headline == "2 of 3 nodes answer; not 3. Node 3 leads, and does not answer."
    assert (seen.leader, seen.level) == (None, "bad")
    seen = overview([older, newer, (ADDRESSES[3], late)], 1, NOW, in_haste=True)
    assert seen.headline == "2 of 3 nodes answer; not 3. Node 3 leads, and has not answered yet."


def test_a_leader_that_is_named_and_says_it_does_not_lead_is_none() -> None:
    follows: dict[str, Any] = {"is_leader": False, "state": "Follower", "leader": {"name": "2"}}
    seen = overview([(ADDRESSES[1], vitals(**follows)), (ADDRESSES[2], vitals(**follows))], 1, NOW)
    assert seen.headline == "All 2 nodes answer. No leader."


def test_a_node_that_is_late_is_waited_for_by_who_is_not_in_haste() -> None:
    late = [*told(), (ADDRESSES[2], NotInTime("Node 2 has not answered within 0.1 s."))]
    for in_haste, state, level in ((True, "Asking", "warn"), (False, "No answer", "bad")):
        seen = overview(late, 1, NOW, in_haste=in_haste)
        assert (seen.rows[1].cells["state"], seen.level) == (state, level)


def test_a_node_that_is_behind() -> None:
    late = vitals(is_leader=False, state="Follower", last_applied={"index": 1000 - FEW_ENTRIES - 1})
    seen = overview([*told(last_log_index=1000), (ADDRESSES[2], late)], 1, NOW)
    assert (seen.level, seen.rows[1].level) == ("warn", "warn")
    assert seen.rows[1].notes == ["It is 1,001 entries behind."]
    assert seen.rows[1].cells["lag"] == "1,001"


def test_who_can_lead_next() -> None:
    follower = vitals(is_leader=False, state="Follower")
    learner = vitals(is_leader=False, state="Learner")
    seen = overview([*told(), (ADDRESSES[2], follower), (ADDRESSES[3], learner)], 1, NOW)
    assert (seen.leader, [row.can_lead for row in seen.rows]) == (1, [False, True, False])


def test_of_two_that_say_they_lead_the_later_does() -> None:
    seen = overview([*told(), (ADDRESSES[2], vitals(current_term=1234))], 1, NOW)
    assert (seen.leader, seen.headline) == (2, "All 2 nodes answer. Node 2 leads in term 1,234.")


def test_a_node_without_a_leader_or_with_a_late_loop() -> None:
    seen = overview(told(figures={"loop_lag": 2.0}, leader=None, is_leader=False, state="Candidate"), 1, NOW)
    assert seen.level == "bad"
    assert seen.headline == "The node answers. No leader."
    assert [note[:20] for note in seen.rows[0].notes] == ["It knows no leader, ", "Its event loop was 2"]


def test_a_node_that_was_taken_out_says_so() -> None:
    seen = overview(told(removed="Node 1 was removed; empty its directory."), 1, NOW)
    assert seen.rows[0].notes == ["Node 1 was removed; empty its directory."]


def test_vitals_are_taken_as_they_are() -> None:
    assert require_vitals(VITALS) is VITALS


def without(*path: str, value: Any = None) -> Any:
    changed = copy.deepcopy(VITALS)
    place = changed
    for name in path[:-1]:
        place = place[name]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        "status",
        {},
        without("status"),
        without("figures"),
        without("status", "state"),
        without("status", "voters"),
        without("status", "last_applied", "index"),
        without("status", "current_term", value="<script>"),
        without("status", "key_count", value=[]),
        without("status", "last_log_index", value="9"),
        without("status", "is_leader", value="yes"),
        without("status", "voters", value=["2"]),
        without("status", "leader", value={"name": 1}),
        without("status", "leader", value={"id": "1"}),
        without("status", "snapshot", value={"created_ms": "now"}),
        without("figures", value=7),
        without("figures", "cpu", value="hot"),
    ],
)
def test_what_another_node_tells_is_checked(content: Any) -> None:
    with pytest.raises(Unavailable, match="knows how to read"):
        require_vitals(content)


def test_the_headline_says_why_it_is_no_good_one() -> None:
    late = vitals({"loop_lag": 0.9})
    follows: dict[str, Any] = {"is_leader": False, "state": "Follower"}
    behind = vitals(**follows, last_applied={"index": 1000 - FEW_ENTRIES - 1})
    seen = overview([(ADDRESSES[1], late)], 1, NOW)
    assert (seen.level, seen.headline) == (
        "warn",
        "The node answers. Node 1 leads in term 3. Node 1: Its event loop was 900 ms late.",
    )
    lost = vitals(**follows, leader=None)
    seen = overview([(ADDRESSES[1], late), (ADDRESSES[2], behind), (ADDRESSES[3], lost)], 1, NOW)
    assert seen.level == "bad"
    assert seen.headline.endswith(
        "Node 3: It knows no leader, so it takes no writes. See also 1 and 2 below."
    )
