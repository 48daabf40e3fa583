from itertools import product

import pytest

from flamegraph.colors import DARK, LIGHT, Theme, color_class, contrast, stylesheet


def test_contrast_of_extremes() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == 1


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_can_be_read(theme: Theme) -> None:
    assert len(set(theme.classes)) == 16
    pairs = [*product([theme.label], [*theme.classes, theme.root]), (theme.match_label, theme.match)]
    pairs += product([theme.text, theme.muted, theme.accent], [theme.background])
    for text, ground in pairs:
        assert contrast(text, ground) >= 4.5, (text, ground)


def test_matches_stand_out_from_every_frame() -> None:
    for theme in (LIGHT, DARK):
        assert all(contrast(theme.match, color) >= 2 for color in theme.classes)


def test_a_color_is_a_property_of_the_name() -> None:
    assert color_class("") in range(16)
    # Written down, since a picture must not change its colours between versions.
    assert [color_class(name) for name in ("run (asyncio/events.py:80)", "main", "a::b", "mod`f")] == [
        0,
        13,
        11,
        15,
    ]


def test_frames_of_a_module_share_a_hue_whatever_the_line() -> None:
    assert color_class("f (a/b.py:1)") == color_class("f (a/b.py:99)")
    assert {color_class(f"f{i} (a/b.py:{i})") // 4 for i in range(50)} == {color_class("x (a/b.py)") // 4}


def test_names_spread_over_all_classes() -> None:
    assert {color_class(f"function_{i}") for i in range(500)} == set(range(16))
    assert {color_class(f"function_{i} (module_{i}.py)") for i in range(500)} == set(range(16))


def test_the_stylesheet_has_both_themes_and_plain_fallbacks() -> None:
    sheet = stylesheet(".x{fill:var(--fg-muted)}")
    assert "prefers-color-scheme:dark" in sheet
    assert f".x{{fill:{LIGHT.muted};fill:var(--fg-muted)}}" in sheet
    assert all(color in sheet for color in (*LIGHT.classes, *DARK.classes))
