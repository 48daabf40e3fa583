"""Export and import: the lines' form, the round trip, and what is refused."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from diag.errors import DirectoryInUse, InvalidRequest, StoreError
from diag.kv.apply import apply
from diag.kv.commands import Branch, Lifetime, Put, Transaction
from diag.kv.digest import hash_content
from diag.kv.export import export_lines
from diag.kv.importer import import_lines
from diag.kv.layout import KeysCount, keys_layout
from diag.kv.state import Position
from diag.kv.store import Store


class Node(NamedTuple):
    node_id: int
    name: str
    raft_host: str
    raft_port: int
    grpc_advertise: str | None


NODES = (Node(0, "0", "127.0.0.1", 28103, None),)
NOW = 1_795_451_457_000
HEADER = '["header",{"DataHeader":{"key":"header","value":{"version":"V004"}}}]'


def _fill(store: Store, *keys: str) -> None:
    puts = tuple(Put(key, key.encode(), Lifetime(ttl_ms=9 if key == "b" else None)) for key in keys)
    with store.write() as txn:
        apply(txn, Transaction((Branch(None, puts),)), NOW)
        txn.set_applied(Position(1, 0, 6))


def test_an_empty_store(store: Store, tmp_path: Path) -> None:
    lines = list(export_lines(store, ()))
    assert lines[0] == HEADER
    summary = import_lines(lines, tmp_path / "copy")
    assert (summary.keys, summary.seq, summary.applied, summary.nodes) == (0, 0, Position(), {})


def test_the_lines_in_order_and_form(store: Store) -> None:
    _fill(store, "b", "a")
    log_id = {"leader_id": {"term": 1, "node_id": 0}, "index": 6}
    members = {"configs": [[0]], "nodes": {"0": {}}}
    node = {
        "name": "0",
        "endpoint": {"addr": "127.0.0.1", "port": 28103},
        "grpc_api_advertise_address": None,
    }
    assert [json.loads(line) for line in export_lines(store, NODES)] == [
        ["header", {"DataHeader": {"key": "header", "value": {"version": "V004"}}}],
        ["raft_log", {"NodeId": 0}],
        ["raft_log", {"Vote": {"leader_id": {"term": 1, "node_id": 0}, "committed": True}}],
        ["raft_log", {"Committed": log_id}],
        ["raft_log", {"Purged": log_id}],
        ["state_machine/0", {"Sequences": {"key": "generic-kv", "value": 2}}],
        ["state_machine/0", {"StateMachineMeta": {"key": "LastApplied", "value": {"LogId": log_id}}}],
        [
            "state_machine/0",
            {
                "StateMachineMeta": {
                    "key": "LastMembership",
                    "value": {"Membership": {"log_id": log_id, "membership": members}},
                }
            },
        ],
        ["state_machine/0", {"Nodes": {"key": 0, "value": node}}],
        [
            "state_machine/0",
            {"Expire": {"key": {"time_ms": 1795451457009, "seq": 1}, "value": {"seq": 1, "key": "b"}}},
        ],
        [
            "state_machine/0",
            {"GenericKV": {"key": "a", "value": {"seq": 2, "meta": {"proposed_at_ms": NOW}, "data": [97]}}},
        ],
        [
            "state_machine/0",
            {
                "GenericKV": {
                    "key": "b",
                    "value": {
                        "seq": 1,
                        "meta": {"expire_at": 1795451457009, "proposed_at_ms": NOW},
                        "data": [98],
                    },
                }
            },
        ],
    ]


def test_round_trip(store: Store, tmp_path: Path) -> None:
    _fill(store, "b", "a", "", "é/\U0010ffff", 'quote"\n', "l" * 4000)
    lines = list(export_lines(store, NODES))
    summary = import_lines([line + "\n" for line in lines], tmp_path / "new" / "copy")
    assert (summary.keys, summary.seq, summary.applied) == (6, 6, Position(1, 0, 6))
    assert summary.nodes[0]["endpoint"] == {"addr": "127.0.0.1", "port": 28103}
    with Store.open(tmp_path / "new" / "copy") as copy:
        assert list(export_lines(copy, NODES)) == lines
        with copy.read() as one, store.read() as other:
            assert hash_content(one) == hash_content(other)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["copy"]


def _entry(index: int, command: dict[str, Any] | None) -> str:
    payload = "Blank" if command is None else {"Normal": {"time_ms": NOW, "cmd": command}}
    log_id = {"leader_id": {"term": 2, "node_id": 0}, "index": index}
    return json.dumps(["raft_log", {"LogEntry": {"log_id": log_id, "payload": payload}}])


def test_entries_beyond_the_state_are_applied_on_top(store: Store, tmp_path: Path) -> None:
    _fill(store, "a")
    upsert = {"key": "n", "seq": {"GE": 0}, "value": {"Update": [49]}, "value_meta": None}
    condition = {"key": "n", "expected": 2, "target": {"Seq": 1}}
    put = {"key": "m", "value": [50], "expire_at": None, "match_seq": None}
    transaction = {
        "condition": [condition],
        "if_then": [{"request": {"Put": put}}, {"request": {"FetchIncreaseU64": {"key": "n", "delta": 4}}}],
        "else_then": [],
    }
    entries = [
        _entry(5, {"UpsertKV": {**upsert, "key": "held already"}}),
        _entry(7, None),
        _entry(8, {"UpsertKV": upsert}),
        _entry(9, {"Transaction": transaction}),
        _entry(10, {"SetFeature": {"feature": "dummy", "enable": True}}),
        _entry(11, {"RemoveNode": {"node_id": 3}}),
    ]
    header, *rest = export_lines(store, NODES)
    summary = import_lines([header, *entries, *rest], tmp_path / "copy")
    assert (summary.keys, summary.seq, summary.applied) == (3, 4, Position(2, 0, 11))
    with Store.open(tmp_path / "copy") as copy, copy.read() as txn:
        assert [(key, record.data) for key, record in txn.scan()] == [("a", b"a"), ("m", b"2"), ("n", b"5")]
        assert txn.features() == ("dummy",)


def _kv(**value: Any) -> str:
    return json.dumps(
        [
            "state_machine/0",
            {"GenericKV": {"key": "k", "value": {"seq": 1, "meta": None, "data": [], **value}}},
        ]
    )


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "no lines"),
        (["[]"], "Line 1 "),
        (["not json"], "Line 1 "),
        (["[" * 100_000], "Line 1 "),
        ([_kv()], "first line is to be the header"),
        ([HEADER.replace("V004", "V001")], "'V001' is not taken"),
        ([HEADER.replace("V004", "V0")], "'V0' is not taken"),
        ([HEADER, "", _kv(), "{"], "Line 4 "),
        ([HEADER, _kv(seq="1")], "Line 2 .*GenericKV"),
        ([HEADER, _kv(seq=0)], "Line 2 .*above 0"),
        ([HEADER, _kv(data=5)], "Line 2 .*array of bytes"),
        ([HEADER, _kv(data=[256])], "Line 2 "),
        ([HEADER, '["state_machine/0",{"Unknown":1}]'], "Line 2 .*unknown"),
        ([HEADER, _entry(1, {"Unknown": {}})], "Line 2 .*cannot be applied"),
    ],
)
def test_bad_lines_are_named_and_nothing_is_left(tmp_path: Path, lines: list[str], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        import_lines(lines, tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def _numbered(store: Store, *keys: str) -> list[str]:
    _fill(store, *keys)
    return [line + "\n" for line in export_lines(store, NODES)]


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (-1, "Line 14 .*cut off"),
        (4, "Committed .* 6, .* up to 0"),
        (6, "Committed .* 6, .* up to 0"),
        (10, "'b' is to expire"),
        (12, "'b' is to expire"),
    ],
)
def test_an_export_that_shows_that_it_was_cut_off_is_refused(
    store: Store, tmp_path: Path, last: int, words: str
) -> None:
    lines = _numbered(store, "a", "a2", "b", "c")
    assert len(lines) == 14
    cut = [*lines[:-1], lines[-1][:-9]] if last < 0 else lines[:last]
    with pytest.raises(InvalidRequest, match=words):
        import_lines(cut, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_what_the_lines_cannot_show_is_imported(store: Store, tmp_path: Path) -> None:
    """Beyond the last key that expires one end is like another; and a line without line end is whole."""
    lines = _numbered(store, "a", "b", "c")
    assert import_lines([*lines[:-2], lines[-2].rstrip()], tmp_path / "copy").keys == 2


def test_a_counter_below_a_record_is_refused(store: Store, tmp_path: Path) -> None:
    lines = _numbered(store, "a", "c")
    assert '"Sequences"' in lines[5]
    with pytest.raises(InvalidRequest, match=r"Sequences .* 1, .* record .* seq 2"):
        import_lines([*lines[:5], lines[5].replace(":2", ":1"), *lines[6:]], tmp_path / "copy")
    with pytest.raises(InvalidRequest, match=r"Sequences .* missing"):
        import_lines([*lines[:5], *lines[6:]], tmp_path / "copy")


def test_entries_that_were_committed_are_to_be_there(tmp_path: Path) -> None:
    log_id = {"leader_id": {"term": 2, "node_id": 0}, "index": 2}
    committed = json.dumps(["raft_log", {"Committed": log_id}])
    upsert = {"UpsertKV": {"key": "n", "seq": "Any", "value": "Delete", "value_meta": None}}
    whole = [HEADER, committed, _entry(1, upsert), _entry(2, None)]
    assert import_lines(whole, tmp_path / "copy").applied.index == 2
    with pytest.raises(InvalidRequest, match=r"Committed .* 2, .* up to 1"):
        import_lines(whole[:-1], tmp_path / "other")


def test_a_foreign_export_of_a_log_alone_is_taken(tmp_path: Path) -> None:
    """Before the first snapshot the state is in the entries, and there is no counter yet."""
    nothing = [json.dumps(["raft_log", {kind: None}]) for kind in ("NodeId", "Vote", "Committed", "Purged")]
    upsert = {"UpsertKV": {"key": "n", "seq": "Any", "value": {"Update": [1]}, "value_meta": None}}
    assert import_lines([HEADER, *nothing, _entry(1, upsert)], tmp_path / "copy").seq == 1


def test_a_directory_with_anything_in_it_is_overwritten_only_when_told(store: Store, tmp_path: Path) -> None:
    _fill(store, "a")
    lines = list(export_lines(store, NODES))
    target = tmp_path / "target"
    import_lines(lines, target)
    with pytest.raises(StoreError, match="not empty"):
        import_lines([HEADER], target)
    with pytest.raises(InvalidRequest):
        import_lines([HEADER, "{"], target, overwrite=True)
    with Store.open(target) as held, pytest.raises(DirectoryInUse):
        import_lines([HEADER], held.path, overwrite=True)
    assert import_lines([HEADER], target, overwrite=True).keys == 0
    with Store.open(target) as opened, opened.read() as txn:
        assert txn.key_count() == 0


def test_an_import_that_fails_leaves_no_directory(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="Nothing was changed"):
        import_lines([HEADER, "{"], tmp_path / "new" / "raft" / "store")
    assert not list(tmp_path.iterdir())


def _owner(path: Path) -> int | None:
    with Store.open(path, readonly=True) as opened:
        return opened.node_id


def test_an_import_is_for_the_node_named_or_the_one_whose_directory_it_replaces(tmp_path: Path) -> None:
    target = tmp_path / "target"
    import_lines([HEADER], target)
    assert _owner(target) is None
    import_lines([HEADER], target, overwrite=True, node_id=3)
    assert _owner(target) == 3
    import_lines([HEADER], target, overwrite=True)
    assert _owner(target) == 3
    import_lines([HEADER], target, overwrite=True, node_id=4)
    assert _owner(target) == 4
    (target / "FORMAT").write_text("junk")
    import_lines([HEADER], target, overwrite=True)
    assert _owner(target) is None


def test_keys_layout(store: Store) -> None:
    assert list(keys_layout(store, None)) == [KeysCount("", 0)]
    _fill(store, "a/b/1", "a/b/2", "a/c/d/3", "a/4", "b/5", "6", "é/7")
    everything = [("a/b", 2), ("a/c/d", 1), ("a/c", 1), ("a", 4), ("b", 1), ("é", 1), ("", 7)]
    assert list(keys_layout(store, None)) == [KeysCount(*one) for one in everything]
    assert list(keys_layout(store, 1)) == [KeysCount(*one) for one in everything if "/" not in one[0]]
    assert list(keys_layout(store, 0)) == [KeysCount("", 7)]
