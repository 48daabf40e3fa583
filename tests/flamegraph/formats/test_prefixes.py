import io
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flamegraph import Profile
from flamegraph.formats.prefixes import DEEPEST, StackTree, TooDeep

frames = st.lists(st.sampled_from([b"a", b"b", b"c", b"", b"\xff", b"x" * 9000]), max_size=6)
lines = st.lists(st.tuples(frames, st.integers(0, 9)), max_size=12)


def read(known: list[tuple[list[bytes], int]], exact_bytes: int) -> Profile:
    tree = StackTree(exact_bytes)

    def add_other(number: int, line: bytes) -> None:
        stack, weight = known[number]
        tree.add(b";".join(stack), weight)

    tree.add_lines([b"%s %d\n" % (b";".join(stack), weight) for stack, weight in known], add_other, first=0)
    return tree.profile("samples", {})


def trimmed(stack: list[bytes]) -> tuple[str, ...]:
    names = [name.decode("utf-8", "replace") for name in stack]
    while names and not names[-1]:
        names.pop()
    return tuple(names)


def test_no_lines_are_an_empty_profile() -> None:
    assert len(read([], 0)) == 1


@given(lines, st.sampled_from([0, 20, 1 << 20]))
def test_each_stack_has_its_weight_however_it_is_looked_up(
    known: list[tuple[list[bytes], int]], exact_bytes: int
) -> None:
    expected: dict[tuple[str, ...], int] = {}
    for stack, weight in known:
        expected[trimmed(stack)] = expected.get(trimmed(stack), 0) + weight
    profile = read(known, exact_bytes)
    assert dict(profile.stacks()) == {stack: weight for stack, weight in expected.items() if weight}


@given(lines, st.sampled_from([0, 20, 1 << 20]))
def test_no_two_siblings_have_one_name(known: list[tuple[list[bytes], int]], exact_bytes: int) -> None:
    profile = read(known, exact_bytes)
    assert list(profile.parent[:1]) == [-1]
    assert all(parent < node for node, parent in enumerate(profile.parent))
    siblings = list(zip(profile.parent, profile.name, strict=True))
    assert len(set(siblings)) == len(siblings)


def test_a_stack_that_is_too_deep_is_refused() -> None:
    with pytest.raises(TooDeep):
        StackTree().add_lines([b"f;" * (DEEPEST + 1) + b"f 1"], lambda _number, _line: None)


@pytest.mark.parametrize("seed", ["0", "7", "random"])
def test_beyond_the_budget_no_seed_makes_a_difference(seed: str) -> None:
    program = (
        "import sys; from flamegraph.formats.folded import read_folded; "
        "print(len(read_folded(sys.stdin.buffer)))"
    )
    data = io.BytesIO()
    for at in range(3000):
        data.write(b"%s;f%d;g 1\n" % (b"x" * 4000, at))
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=data.getvalue(),
        capture_output=True,
        check=True,
        env={"PYTHONHASHSEED": seed},
    )
    assert done.stdout.strip() == b"6002"
