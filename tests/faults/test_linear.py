"""Orders that explain every answer, and histories that have none."""

import random
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from diag.faults.history import Kind, Operation, Outcome, Seen
from diag.faults.linear import Verdict, check, check_seqs
from tests.faults.histories import delete, get, put, simulated

GOOD = {
    "a read beside a write may see either": [put("a", 0, 10, 1), get(None, 0, 1, 9), get("a", 1, 2, 8)],
    "writes at once, in the order of their seqs": [
        put("a", 0, 10, 2),
        put("b", 0, 10, 1),
        get("a", 2, 11, 12),
    ],
    "an unknown write that never landed": [put("a", 0, 1, 1), put("b", 2, None), get("a", 1, 10, 11)],
    "an unknown write that landed late": [
        put("a", 0, 1, 1),
        put("b", 2, None),
        get("a", 1, 3, 4),
        put("c", 5, 6, 2),
        get("b", 3, 7, 8),
    ],
    "an unknown delete that landed late": [
        put("a", 0, 1, 1),
        delete(2, None),
        get("a", 1, 3, 4),
        get(None, 0, 5, 6),
    ],
    "two unknown writes, one within the other's time": [
        put("a", 0, None),
        put("b", 1, None),
        get("b", 1, 3, 4),
        get("a", 2, 5, 6),
    ],
    "a compare-and-set that was refused": [
        put("a", 0, 1, 1),
        put("b", 2, 3, expected=9, applied=False, told=True, found=Seen("a", 1)),
        get("a", 1, 4, 5),
    ],
    "an unknown compare-and-set on the seq of an unknown write nobody saw": [
        put("a", 0, None),
        put("b", 1, None, expected=4),
        get("b", 5, 2, 3),
        get("b", 5, 4, 5),
    ],
    "a refusal without the record, by a write nobody saw": [
        put("a", 0, 1, 1),
        put("b", 2, None),
        put("c", 3, 4, expected=1, applied=False),
    ],
    "a compare-and-set on an unknown write's seq": [
        put("a", 0, None),
        get("a", 4, 1, 2),
        put("b", 3, 4, 5, expected=4),
        get("b", 5, 5, 6),
    ],
    "a new life after a delete has a higher seq": [
        put("a", 0, 1, 1),
        delete(2, 3),
        get(None, 0, 4, 5),
        put("a", 6, 7, 2, expected=0),
        get("a", 2, 8, 9),
    ],
}

BAD = {
    "a stale read": [put("a", 0, 1, 1), put("b", 2, 3, 2), get("a", 1, 4, 5)],
    "a lost write": [put("a", 0, 1, 1), get(None, 0, 2, 3)],
    "a value nobody wrote": [put("a", 0, 1, 1), get("z", 1, 2, 3)],
    "a value before it was written": [get("a", 1, 0, 1), put("a", 2, 3, 1)],
    "an unknown write seen before it was asked": [get("a", 1, 0, 1), put("a", 2, None)],
    "a compare-and-set that took effect twice": [
        put("a", 0, 1, 1),
        put("b", 2, 3, 2, expected=1),
        put("c", 4, 5, 3, expected=2),
        get("b", 4, 6, 7),
    ],
    "two compare-and-sets that both won": [
        put("a", 0, 1, 1),
        put("b", 2, 9, 2, expected=1),
        put("c", 2, 9, 3, expected=1),
    ],
    "a put that was applied twice, around another": [
        put("a", 0, None),
        put("b", 2, 3, 2),
        get("a", 1, 1, 2),
        get("b", 2, 4, 5),
        get("a", 3, 6, 7),
    ],
    "two halves that each see their own": [
        put("a", 0, 9, 1),
        put("b", 0, 9, 2),
        get("a", 1, 10, 11),
        get("b", 2, 10, 11),
        get("a", 1, 12, 13),
        get("b", 2, 12, 13),
    ],
    "two readers that see two writes in two orders": [
        put("a", 0, None),
        put("b", 0, None),
        get("a", 1, 1, 2),
        get("b", 2, 3, 4),
        get("a", 1, 5, 6),
    ],
    "a value that came back after its delete": [
        put("a", 0, 1, 1),
        delete(2, 3),
        get(None, 0, 4, 5),
        get("a", 1, 6, 7),
    ],
    "a seq that went back": [put("a", 0, 1, 5), put("b", 2, 3, 4)],
    "the right value with another seq": [put("a", 0, 1, 5), get("a", 6, 2, 3)],
    "a refusal that was no reason to refuse": [
        put("a", 0, 1, 1),
        put("b", 2, 3, expected=1, applied=False, told=True, found=Seen("a", 1)),
    ],
    "a write that replaced what had gone": [
        put("a", 0, 1, 1),
        put("b", 2, 3, 2),
        put("c", 4, 5, 3, told=True, found=Seen("a", 1)),
    ],
}


#: Seconds for one history: the search is exponential in what is open at once, and some histories are hard.
_BRIEFLY = 1.0


def test_nothing_happened() -> None:
    assert check([]).verdict is Verdict.OK
    assert check_seqs([]).verdict is Verdict.OK


@pytest.mark.parametrize("history", GOOD.values(), ids=GOOD.keys())
def test_accepted(history: list[Operation]) -> None:
    answer = check(history)
    assert answer.verdict is Verdict.OK, answer.text


@pytest.mark.parametrize("history", BAD.values(), ids=BAD.keys())
def test_refused(history: list[Operation]) -> None:
    assert check(history).verdict is Verdict.VIOLATION


def test_keys_are_registers_of_their_own() -> None:
    assert check([put("a", 0, 1, 1), get(None, 0, 2, 3, key="other")]).verdict is Verdict.OK
    bad = [put("a", 0, 1, 1), get("a", 1, 2, 3, key="other")]
    assert "key other" in check(bad).text


def test_the_explanation_ends_with_the_answer_that_cannot_be() -> None:
    history = [put("a", 0, 10, 1), put("b", 20, 30, 2), get("a", 1, 40, 50), get("b", 2, 60, 70)]
    text = check(history).text
    assert "k: no order explains this answer:\n  client 1 via n2: get k -> found a seq 1\n" in text
    assert "put k=b -> written as seq 2" in text
    assert "found b" not in text


def test_time_that_is_up_is_no_verdict() -> None:
    hard = [put(f"v{number}", 0, 10_000) for number in range(40)]
    hard += [get("v1", 1, 20_000, 20_001), get("v2", 2, 20_002, 20_003)]
    answer = check(hard, seconds=0.05)
    assert answer.verdict is Verdict.UNDECIDED
    assert "k" in answer.text


@pytest.mark.parametrize("clients", [1, 2, 3, 4])
def test_an_atomic_register_of_a_few_clients_is_always_decided(clients: int) -> None:
    for seed in range(50):
        answer = check(simulated(seed, 60, 1, clients))
        assert answer.verdict is Verdict.OK, (seed, answer.text)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**9), st.integers(0, 300), st.integers(1, 3), st.integers(1, 10))
def test_an_atomic_register_is_always_accepted(seed: int, count: int, keys: int, clients: int) -> None:
    history = simulated(seed, count, keys, clients)
    answer = check(history, _BRIEFLY)
    assume(answer.verdict is not Verdict.UNDECIDED)
    assert answer.verdict is Verdict.OK, answer.text
    assert check_seqs(history).verdict is Verdict.OK


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**9), st.integers(30, 120), st.integers(1, 10))
def test_a_read_of_what_cannot_be_is_always_refused(seed: int, count: int, clients: int) -> None:
    history = simulated(seed, count, 1, clients)
    source = random.Random(seed)
    reads = [index for index, each in enumerate(history) if each.kind is Kind.GET]
    for index in source.sample(reads, min(3, len(reads))):
        for impossible in impossible_answers(history, history[index]):
            changed = [*history]
            changed[index] = replace(history[index], found=impossible)
            verdict = check(changed, _BRIEFLY).verdict
            assume(verdict is not Verdict.UNDECIDED)
            assert verdict is Verdict.VIOLATION, impossible


def impossible_answers(history: list[Operation], read: Operation) -> list[Seen]:
    """Values nobody wrote, values not yet asked for, and values replaced before the read began."""
    later = [
        Seen(put.value, put.seq or 1_000_000)
        for put in history
        if put.value is not None and put.start > (read.end or 0)
    ]
    writes = [
        each for each in history if each.kind is Kind.PUT and each.outcome is Outcome.OK and each.applied
    ]
    ended = sorted((each for each in writes if (each.end or 0) < read.start), key=lambda each: each.seq or 0)
    stale = [
        Seen(old.value or "", old.seq or 0)
        for old in ended
        if any((old.end or 0) < new.start for new in ended if (new.seq or 0) > (old.seq or 0))
    ]
    return [Seen("never written", 1), *later[:2], *stale[-2:]]


def test_a_seq_given_twice_or_going_back_over_all_keys() -> None:
    assert check_seqs([put("a", 0, 1, 1), put("b", 0, 2, 2, key="l")]).verdict is Verdict.OK
    twice = check_seqs([put("a", 0, 1, 1), put("b", 0, 2, 1, key="l")])
    assert twice.verdict is Verdict.VIOLATION
    assert "given twice" in twice.text
    back = check_seqs([put("a", 0, 1, 5), put("b", 2, 3, 4, key="l")])
    assert back.verdict is Verdict.VIOLATION
    assert "went back" in back.text
