import re

import pytest

from flamegraph import palettes
from flamegraph.palettes import LIGHT, Palette
from flamegraph.style import page_style, picture_style, theme_colors, with_fallbacks

EVERY = [palettes.hot(), palettes.memory(), palettes.io(), palettes.package(), palettes.change()]


def test_no_rules_need_no_fallback() -> None:
    assert with_fallbacks("", {}) == ""


@pytest.mark.parametrize("palette", EVERY)
def test_the_stylesheet_has_both_themes_and_plain_fallbacks(palette: Palette) -> None:
    sheet = picture_style(palette)
    assert "prefers-color-scheme:dark" in sheet
    assert all(color in sheet for color in (*palette.light, *palette.dark))
    assert with_fallbacks(".x{fill:var(--fg-muted)}", theme_colors(LIGHT)) == (
        f".x{{fill:{LIGHT.muted};fill:var(--fg-muted)}}"
    )


@pytest.mark.parametrize("sheet", [*map(picture_style, EVERY), page_style()])
def test_every_color_used_is_declared(sheet: str) -> None:
    declared = set(re.findall(r"(--fg-[a-z0-9-]+):", sheet))
    assert set(re.findall(r"var\((--fg-[a-z0-9-]+)\)", sheet)) <= declared


@pytest.mark.parametrize("sheet", [*map(picture_style, EVERY), page_style()])
def test_a_stylesheet_loads_nothing_and_is_the_same_text_in_xml_and_html(sheet: str) -> None:
    assert "url(" not in sheet
    assert "@import" not in sheet
    assert not set("<&") & set(sheet)
