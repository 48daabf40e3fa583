"""The colours themselves: a palette is a list of frame colours, light and dark, class by class.

Palettes by name have sixteen classes, then the root, then the grey of frames that are not one's own. The
palette of change has seventeen steps from much less to much more, the unchanged in the middle, then new and
vanished frames; those two are hatched with a second colour, so that neither depends on seeing colours.
Text on any of them has a contrast of 4.5:1 or more, and so has text on the page.
"""

from __future__ import annotations

from flamegraph.record import Record


class Theme(Record):
    """What is not a frame, as `#rrggbb`; `label` is the text on frames, `match_label` on search results."""

    match: str
    label: str
    match_label: str
    background: str
    text: str
    muted: str
    accent: str
    line: str


class Palette(Record):
    """Frame colours by class for either theme, and the second colour of those that are hatched."""

    light: tuple[str, ...]
    dark: tuple[str, ...]
    light_hatch: tuple[tuple[int, str], ...] = ()
    dark_hatch: tuple[tuple[int, str], ...] = ()


LIGHT = Theme("#7a3fd1", "#201408", "#ffffff", "#ffffff", "#1c1b1a", "#5c5853", "#6a2fc0", "#c9c4bc")
DARK = Theme("#c9a6ff", "#fbf3ea", "#1b0b33", "#17181c", "#ececee", "#a3a5ad", "#c9a6ff", "#45474f")

CLASSES = 16
ROOT_CLASS = 16
GREY_CLASS = 17
UNCHANGED = 8
NEW_CLASS = 17
VANISHED_CLASS = 18

_LIGHT_REST = ("#d8d4ce", "#e4e1dd")
_DARK_REST = ("#3b3d44", "#313339")


def _named(light: str, dark: str) -> Palette:
    return Palette((*light.split(), *_LIGHT_REST), (*dark.split(), *_DARK_REST))


def hot() -> Palette:
    """Reds to yellows, the usual colours of a flame graph."""
    return _named(
        "#f1785f #f38872 #f49885 #f6a798 #f38d49 #f59c61 #f6ab79 #f8ba91 "
        "#f5ab3d #f6b655 #f7c06e #f9cd8b #f1cb41 #f3d35e #f5da7a #f7e297",
        "#733026 #7e352a #8a3a2e #953f32 #6b381f #773e22 #824526 #8c4a29 "
        "#5d3d19 #69451c #734b1f #7d5221 #4f3e17 #59461a #634e1d #6d5620",
    )


def memory() -> Palette:
    """Greens, as custom has it for memory."""
    return _named(
        "#afc447 #bcd064 #cadc83 #d5e39f #8acd68 #9cd87e #afe396 #c0e9ae "
        "#62d286 #7bdd98 #96e7ac #aeecbe #29d5a5 #58e0b3 #7ee9c3 #9eeecf",
        "#3c4509 #444d0d #4c5618 #545e21 #2b491b #325220 #395a29 #426331 "
        "#174b2a #1c5430 #255d38 #2e6540 #044c38 #03553f #065e47 #16674f",
    )


def io() -> Palette:
    """Blues, as custom has it for input, output and waiting."""
    return _named(
        "#47c5d2 #6bd0db #89dae3 #a8e2e9 #5bbfe8 #78caee #92d5f4 #addef5 "
        "#79b6f4 #8ec3f9 #a3cffd #b9dafd #99adf7 #a8bafc #b8c8fe #c8d4fe",
        "#01494f #055259 #025b63 #05646c #03465d #014f68 #055873 #08617e "
        "#1a4268 #1f4a73 #24527f #2d5b88 #313c6a #384475 #3f4b81 #47548a",
    )


def package() -> Palette:
    """Eight hues of two shades, for frames told apart by their package."""
    return _named(
        "#f99e97 #febcb6 #edaa6e #f6c49a #d1ba64 #e0cf93 #9ccb82 #b9dca7 "
        "#69d1b0 #9ae1c7 #58cce7 #90ddf0 #94bcfd #b5d1fe #dfa2e2 #ebbeed",
        "#6e3330 #7f423e #683c0b #784b1e #554704 #665612 #33521f #41612f "
        "#045541 #10664f #05515f #016172 #2b4775 #3a5786 #5e3661 #6e4571",
    )


def change() -> Palette:
    """Blue for less, orange for more: a pair that every common kind of colour blindness tells apart."""
    light = (
        "#469af2 #59a3f2 #6cabf1 #7db3f0 #8fbbee #a0c3ec #b1cbe9 #c3d2e4 #dbd8d7 "
        "#e4ccbe #e9c1a9 #ecb594 #eeaa80 #ef9e6b #f09255 #f0863c #f07916"
    )
    dark = (
        "#115aa9 #1c589f #255794 #2c568a #32547f #385274 #3d5068 #424d5c #4c4a48 "
        "#594941 #63493a #6c4934 #75492d #7e4926 #86481c #8f470f #964702"
    )
    return Palette(
        (*light.split(), "#f28a3c", "#f1f6fc"),
        (*dark.split(), "#964702", "#1c2735"),
        ((NEW_CLASS, "#fbb378"), (VANISHED_CLASS, "#a9ccf4")),
        ((NEW_CLASS, "#6f380d"), (VANISHED_CLASS, "#254a78")),
    )
