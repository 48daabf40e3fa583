"""The table of results."""

from diag.faults.table import Row, render


def test_no_rows() -> None:
    assert render([]) == "No fault was run.\n"


def test_rows_and_what_went_wrong() -> None:
    text = render(
        [
            Row("kill one", 5.0, 1200, 3, 0.75, recovered_in=0.5),
            Row("kill all", 7.25, 10, 0, 1.0, lost=2, problems=("n1: 2 keys lost",)),
            Row("slow disk", skipped="not root"),
        ]
    )
    heads, rule, *rest = text.splitlines()
    assert heads.split() == [
        *(
            "fault",
            "seconds",
            "acked",
            "unknown",
            "longest",
            "gap",
            "lost",
            "twice",
            "stale",
            "recovered",
            "in",
        ),
        "verdict",
    ]
    assert set(rule) == {"-", " "}
    assert rest[0].split() == ["kill", "one", "5.00", "1200", "3", "0.75", "0", "0", "0", "0.50", "pass"]
    assert rest[1].split()[-5:] == ["2", "0", "0", "never", "FAIL"]
    assert rest[2].split() == ["slow", "disk", "skipped"]
    assert rest[-2:] == ["kill all: n1: 2 keys lost", "slow disk was skipped: not root"]
