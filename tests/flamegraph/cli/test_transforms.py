from pathlib import Path

import pytest

from flamegraph.cli import main


def test_transforms_are_applied_in_the_order_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"main;a (x.py:1);a (x.py:2) 3\nmain;b 1\n")

    def converted(*options: str) -> list[str]:
        assert main(["convert", str(path), *options]) == 0
        return capsys.readouterr().out.splitlines()

    assert converted("--no-line-numbers", "--collapse-recursion") == ["main;a (x.py) 3", "main;b 1"]
    assert converted("--collapse-recursion", "--no-line-numbers")[0] == "main;a (x.py);a (x.py) 3"
    assert converted("--rename", "^b$", "c", "--focus", "c") == ["main;c 1"]
    assert converted("--focus", "c", "--rename", "^b$", "c") == []
    assert converted("--ignore", "^a", "--scale", "2", "--reverse") == ["b;main 2"]
    assert converted("--hide", "^a", "--hide", "b") == ["main 4"]
    assert converted("--cut-after", "main") == ["main 4"]
    assert converted("--by-thread", "--ignore", "^a") == ["[no thread];main;b 1"]
    assert converted("--only-package", "x") == [" 1", "a (x.py:1);a (x.py:2) 3"] or converted(
        "--only-package", "x"
    )


def test_a_transform_that_leaves_nothing_is_told(folded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", str(folded), "--hide", "none", "--focus", "none", "--reverse"]) == 0
    assert capsys.readouterr().err == "flamegraph: --focus none leaves nothing of the profile.\n"
    assert main(["top", str(folded), "--focus", "work"]) == 0
    assert capsys.readouterr().err == ""
