import pytest

from flamegraph.colors import (
    PALETTES,
    change_class,
    color_class,
    coloring,
    contrast,
    own_code_class,
    package_class,
)
from flamegraph.errors import OptionError
from flamegraph.palettes import GREY_CLASS


def test_contrast_of_extremes() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == 1


def test_a_color_is_a_property_of_the_name() -> None:
    assert color_class("") in range(16)
    # Written down, since a picture must not change its colours between versions.
    names = ("run (asyncio/events.py:80)", "main", "a::b", "mod`f")
    assert [color_class(name) for name in names] == [0, 13, 11, 15]


def test_frames_of_a_module_share_a_hue_whatever_the_line() -> None:
    assert color_class("f (a/b.py:1)") == color_class("f (a/b.py:99)")
    assert {color_class(f"f{i} (a/b.py:{i})") // 4 for i in range(50)} == {color_class("x (a/b.py)") // 4}


def test_names_spread_over_all_classes() -> None:
    assert {color_class(f"function_{i}") for i in range(500)} == set(range(16))
    assert {color_class(f"function_{i} (module_{i}.py)") for i in range(500)} == set(range(16))


def test_frames_of_a_package_share_a_hue() -> None:
    assert package_class("") in range(16)
    hue = package_class("f (app/api/base.py:3)") // 2
    assert {package_class(f"g{i} (app/m{i}/x.py:{i})") // 2 for i in range(50)} == {hue}
    assert {package_class(f"f (p{i}/x.py)") for i in range(500)} == set(range(16))
    assert package_class("org.a.B.run") // 2 == package_class("org.c.D.stop") // 2


@pytest.mark.parametrize(
    "name",
    [
        "do_syscall_64_[k]",
        "run (/usr/lib/python3.11/asyncio/runners.py:118)",
        "get (/venv/lib/python3.11/site-packages/httpx/_client.py:1)",
        "_call_with_frames_removed (<frozen importlib._bootstrap>:241)",
        "core::ops::function::FnOnce::call_once",
        "java.util.HashMap.get",
        "runtime.mallocgc",
        "[unknown]",
    ],
)
def test_frames_that_are_not_ones_own_are_grey(name: str) -> None:
    assert own_code_class(name) == GREY_CLASS


@pytest.mark.parametrize("name", ["", "main", "run (app/core.py:3)", "mycore::run", "javascript.run"])
def test_ones_own_frames_keep_their_color(name: str) -> None:
    assert own_code_class(name) == color_class(name)


@pytest.mark.parametrize(
    ("change", "significance", "kind"),
    [(0, 1, 8), (2, 1, 16), (-2, 1, 0), (9, 1, 16), (1, 1, 12), (-1, 0.5, 6), (2, 0, 8)],
)
def test_change_is_faded_by_significance(change: float, significance: float, kind: int) -> None:
    assert change_class(change, significance) == kind


@pytest.mark.parametrize("name", PALETTES)
def test_every_palette_has_a_color_for_every_pick(name: str) -> None:
    colors = coloring(name)
    for frame in ("", "x" * 10_000_000, "f (a.py:1)", "f_[k]", "((((" * 5000 + "))))", " (" * 5000 + ")"):
        assert colors.pick(frame) < len(colors.palette().light) == len(colors.palette().dark)


def test_an_unknown_palette_is_refused_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match="choose one of hot, package, app, memory, io"):
        coloring("plaid")
