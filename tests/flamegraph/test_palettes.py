from itertools import product

import pytest

from flamegraph import palettes
from flamegraph.colors import contrast
from flamegraph.palettes import DARK, LIGHT, NEW_CLASS, UNCHANGED, VANISHED_CLASS, Palette, Theme

BY_NAME = [palettes.hot, palettes.memory, palettes.io, palettes.package]
EVERY = [make() for make in (*BY_NAME, palettes.change)]
SIDES = [(LIGHT, palette.light, palette.light_hatch) for palette in EVERY]
SIDES += [(DARK, palette.dark, palette.dark_hatch) for palette in EVERY]

# How colours look to readers without one kind of cone (Machado, Oliveira and Fernandes 2009), in linear RGB.
BLINDNESS = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.01182, 0.04294, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.3039),
    ),
}


def lab(color: str, blindness: str | None = None) -> tuple[float, float, float]:
    """The colour in Oklab, as a reader with that blindness sees it."""
    rgb = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    rgb = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    if blindness:
        rgb = [
            min(1, max(0, sum(a * b for a, b in zip(row, rgb, strict=True)))) for row in BLINDNESS[blindness]
        ]
    r, g, b = rgb
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    middle = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def apart(one: str, other: str, blindness: str | None = None) -> float:
    pairs = zip(lab(one, blindness), lab(other, blindness), strict=True)
    return float(sum((a - b) ** 2 for a, b in pairs) ** 0.5)


@pytest.mark.parametrize(("theme", "classes", "hatch"), SIDES)
def test_every_text_can_be_read(
    theme: Theme, classes: tuple[str, ...], hatch: tuple[tuple[int, str], ...]
) -> None:
    grounds = [*classes, *(color for _, color in hatch)]
    pairs = [*product([theme.label], grounds), (theme.match_label, theme.match)]
    pairs += product([theme.text, theme.muted, theme.accent], [theme.background])
    for text, ground in pairs:
        assert contrast(text, ground) >= 4.5, (text, ground)


@pytest.mark.parametrize(("theme", "classes", "hatch"), SIDES)
def test_matches_stand_out_from_every_frame(
    theme: Theme, classes: tuple[str, ...], hatch: tuple[tuple[int, str], ...]
) -> None:
    assert all(contrast(theme.match, color) >= 2 for color in (*classes, *(color for _, color in hatch)))


@pytest.mark.parametrize("palette", [make() for make in BY_NAME])
def test_classes_by_name_are_as_many_as_promised_and_differ(palette: Palette) -> None:
    for classes in (palette.light, palette.dark):
        assert len(set(classes)) == len(classes) == palettes.GREY_CLASS + 1


@pytest.mark.parametrize("blindness", [None, *BLINDNESS])
@pytest.mark.parametrize("side", ["light", "dark"])
def test_more_and_less_are_told_apart_without_seeing_every_color(side: str, blindness: str | None) -> None:
    classes = getattr(palettes.change(), side)
    less, same, more = classes[0], classes[UNCHANGED], classes[2 * UNCHANGED]
    assert apart(less, more, blindness) > 0.15
    assert apart(less, same, blindness) > 0.07
    assert apart(more, same, blindness) > 0.07
    for step in range(1, UNCHANGED + 1):
        assert apart(classes[UNCHANGED - step], classes[UNCHANGED + step], blindness) > 0.02 * step


@pytest.mark.parametrize("side", ["light", "dark"])
def test_change_deepens_step_by_step(side: str) -> None:
    classes = getattr(palettes.change(), side)
    for end in (range(UNCHANGED + 1, 2 * UNCHANGED + 1), range(UNCHANGED - 1, -1, -1)):
        distances = [apart(classes[UNCHANGED], classes[kind]) for kind in end]
        assert distances == sorted(distances)


def test_new_and_vanished_frames_are_hatched() -> None:
    palette = palettes.change()
    for classes, hatch in ((palette.light, palette.light_hatch), (palette.dark, palette.dark_hatch)):
        assert [kind for kind, _ in hatch] == [NEW_CLASS, VANISHED_CLASS]
        assert all(apart(classes[kind], color) > 0.05 for kind, color in hatch)
