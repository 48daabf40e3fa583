"""The report: the worst first, for programs and for people."""

from diag.doctor.finding import EXIT_CODES, Finding, Report, report


def finding(name: str, severity: str) -> Finding:
    return Finding.model_validate(
        {"name": name, "severity": severity, "node": 1, "says": f"{name}.", "evidence": ["why"], "next": "do"}
    )


def test_nothing_found() -> None:
    nothing = report(iter(()), (1, 2), (), ("a", "b"))
    assert (nothing.severity, EXIT_CODES[nothing.severity]) == ("fine", 0)
    assert nothing.text() == "Nothing found (2 checks of nodes 1, 2).\n"


def test_the_worst_comes_first_and_gives_the_exit_code() -> None:
    several = report(
        iter([finding("a", "warning"), finding("b", "critical"), finding("c", "warning")]), (1,), (2,), ("a",)
    )
    assert [found.name for found in several.findings] == ["b", "a", "c"]
    assert EXIT_CODES[several.severity] == 2
    assert several.text() == (
        "CRITICAL b: b.\n    why\n    next: do\n\nWARNING a: a.\n    why\n    next: do\n\n"
        "WARNING c: c.\n    why\n    next: do\n\n"
        "1 critical, 2 warning (1 checks of node 1; no answer from node 2).\n"
    )
    assert EXIT_CODES[report(iter([finding("a", "warning")]), (1,), (), ()).severity] == 1


def test_json_and_back() -> None:
    told = report(iter([finding("a", "warning")]), (1,), (), ("a",))
    assert told.as_dict()["severity"] == "warning"
    assert Report.model_validate(told.as_dict()) == told
