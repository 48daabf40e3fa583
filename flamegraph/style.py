"""The style sheet of a picture: rules and one palette, for readers who prefer light and for those who prefer
dark. It is constant for a palette, so that a content security policy can name it by its hash."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from flamegraph.assets import asset
from flamegraph.palettes import DARK, LIGHT, Palette, Theme

_DECLARATION = re.compile(r"\b([a-z-]+):var\(--fg-([a-z0-9-]+)\)")


@cache
def page_style() -> str:
    """The style sheet of the HTML form, outside its picture."""
    light, dark = theme_colors(LIGHT), theme_colors(DARK)
    return (
        f"\n:root{{color-scheme:light dark;{_declared(light)}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_declared(dark)}}}}}\n{asset('page.css')}"
    )


@cache
def picture_style(palette: Palette) -> str:
    """The style sheet of an SVG drawn in that palette."""
    light, dark = (
        _variables(LIGHT, palette.light, palette.light_hatch),
        _variables(DARK, palette.dark, palette.dark_hatch),
    )
    return (
        f"\n.flamegraph{{{_declared(light)}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{.flamegraph{{{_declared(dark)}}}}}\n"
        + with_fallbacks("".join(_class_rules(palette)) + asset("picture.css"), light)
    )


def with_fallbacks(rules: str, colors: dict[str, str]) -> str:
    """`rules` with the plain colour in front of each `var(--fg-NAME)`, for programs that draw SVG but know no
    CSS variables."""
    return _DECLARATION.sub(lambda rule: f"{rule[1]}:{colors[rule[2]]};{rule[0]}", rules)


def theme_colors(theme: Theme) -> dict[str, str]:
    """The colours of a theme by the name rules use."""
    return {
        field.replace("_", "-"): color for field, color in zip(theme.fields(), theme.values(), strict=True)
    }


def _class_rules(palette: Palette) -> Iterator[str]:
    hatched = {kind for kind, _ in palette.light_hatch}
    for kind in range(len(palette.light)):
        if kind in hatched:
            yield (
                f".flamegraph .h{kind} rect{{fill:var(--fg-k{kind})}}\n"
                f".flamegraph .h{kind} path{{fill:var(--fg-h{kind})}}\n"
            )
        else:
            # A frame is a stroke in the document and a filled rectangle in the viewer.
            yield f".flamegraph .k{kind}{{stroke:var(--fg-k{kind});fill:var(--fg-k{kind})}}\n"


def _variables(theme: Theme, classes: tuple[str, ...], hatch: tuple[tuple[int, str], ...]) -> dict[str, str]:
    return (
        theme_colors(theme)
        | {f"k{kind}": color for kind, color in enumerate(classes)}
        | {f"h{kind}": color for kind, color in hatch}
    )


def _declared(colors: dict[str, str]) -> str:
    return ";".join(f"--fg-{name}:{color}" for name, color in colors.items())
