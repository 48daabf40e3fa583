"""The picture: profile or comparison -> one SVG document, complete without its script and without a network.

All text goes through `escape`; the script and the style sheet are constant, so that a content security policy
can name them by hash. Nothing depends on the style sheet alone: where it is refused, the light colours stand
in attributes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from flamegraph.assets import picture_script
from flamegraph.data import block
from flamegraph.errors import OptionError
from flamegraph.frames import graph
from flamegraph.geometry import CELL, LEAST_WIDTH, LINE, LINE_CELL, PAD, ROW, TITLE_CELL, TOOLS
from flamegraph.palettes import LIGHT
from flamegraph.profile import Profile
from flamegraph.record import Record
from flamegraph.style import picture_style
from flamegraph.subject import Subject, of_comparison, of_profile
from flamegraph.summary import description, provenance, status, undrawn, vanished
from flamegraph.text import clean, escape, fit, wrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flamegraph.comparison import Comparison

DIRECTIONS = ("flame", "icicle")
_SCRIPT_URL = r"https?://[^\s]+|(?![a-zA-Z][a-zA-Z0-9+.-]*:)[^\s]+"
_SANS = "system-ui,&quot;DejaVu Sans&quot;,sans-serif"


class Look(Record):
    """How a picture is to look, checked: see `render` for the meaning of each."""

    width: int
    min_width: float
    direction: str
    palette: str
    widths: str
    script: str
    si: bool


class Texts(Record):
    """What is written around the frames; a picture within a page leaves all of it to the page."""

    title: str
    subtitle: str
    notes: tuple[str, ...]
    bare: bool = False


def render(
    profile: Profile | Comparison,
    *,
    title: str = "Flame graph",
    subtitle: str = "",
    notes: Sequence[str] = (),
    width: int = 1200,
    min_width: float = 0.1,
    direction: str = "flame",
    palette: str = "hot",
    widths: str = "new",
    script: str = "inline",
    si: bool = False,
) -> str:
    """An interactive SVG, `width` pixels wide with ten pixels of margin at either side.

    Frames narrower than `min_width` pixels are not drawn. `notes` are lines under the picture: how the
    profile was taken, what was left out. `direction` is "flame" (the root at the bottom) or "icicle".
    `palette` is one of `colors.PALETTES`. `script` is "inline", "none" or the address of the script, which is
    the same for all pictures. `si` counts bytes in thousands. The result depends on the arguments alone, byte
    for byte.

    A comparison (`flamegraph.diff`) is coloured by change, whatever `palette` says; `widths` is what its
    frames are as wide as: "new", "base", "max" (the larger of both, so that nothing is missing) or "delta".

    Raises OptionError for a width under 200, a negative `min_width` or a name that is not among those above.
    """
    look = checked_look(width, min_width, direction, palette, widths, script, si)
    return picture(subject_of(profile, look), look, Texts(title, subtitle, tuple(notes)))


def checked_look(
    width: int, min_width: float, direction: str, palette: str, widths: str, script: str, si: bool
) -> Look:
    """The look asked for; raises OptionError where it makes no sense in itself."""
    if not width >= LEAST_WIDTH:
        raise OptionError(f"The picture is {width:g} pixels wide; it needs {LEAST_WIDTH} or more.")
    if direction not in DIRECTIONS:
        raise OptionError(f"The direction {direction!r} is not known; choose one of {', '.join(DIRECTIONS)}.")
    if script not in ("inline", "none") and not re.fullmatch(_SCRIPT_URL, script):
        raise OptionError(f"The script {script!r} is neither inline, none nor an http or relative address.")
    return Look(width, min_width, direction, palette, widths, script, si)


def subject_of(profile: Profile | Comparison, look: Look) -> Subject:
    """What is to be drawn, placed for that look."""
    room = look.width - 2 * PAD
    if isinstance(profile, Profile):
        return of_profile(profile, look.palette, room, look.min_width, look.si)
    return of_comparison(profile, look.widths, room, look.min_width, look.si)


def picture(subject: Subject, look: Look, texts: Texts) -> str:
    """The document."""
    notes = [*texts.notes, *_own_notes(subject, look.min_width)] if not texts.bare else []
    top = 36 if texts.bare else 58 if texts.subtitle else 42
    bottom = top + max(len(subject.placed.spans), 3) * ROW
    foot = list(_foot(subject, look, notes))
    height = bottom + 28 + LINE * (len(foot) - 2)
    upwards = look.direction == "flame"
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="flamegraph" width="{look.width}" '
            f'height="{height}" viewBox="0 0 {look.width} {height}" role="img" '
            f'font-family="{_SANS}" font-size="12" fill="{LIGHT.text}">\n',
            f"<title>{escape(texts.title)}</title>\n<desc>{escape(description(subject))}</desc>\n",
            f"<style>{picture_style(subject.palette)}</style>\n",
            f'<rect class="bg" width="100%" height="100%" fill="{LIGHT.background}"/>\n',
            *_head(texts, look.width),
            f'<g class="graph" transform="translate({PAD},{top})">\n',
            *(graph(subject, upwards) if subject.placed.spans else _nothing()),
            f'</g>\n<g class="foot" transform="translate({PAD},{bottom})">\n',
            *foot,
            "</g>\n",
            *_scripts(subject, look, texts, notes),
            "</svg>\n",
        ]
    )


def _head(texts: Texts, width: int) -> Iterator[str]:
    if texts.bare:
        return
    title = fit(texts.title, max(3, (width - 2 * PAD - TOOLS) / TITLE_CELL))
    yield f'<text class="title" x="{PAD}" y="25" font-size="17">{escape(title)}</text>\n'
    if texts.subtitle:
        subtitle = fit(texts.subtitle, (width - 2 * PAD) / LINE_CELL)
        shown = escape(subtitle)
        yield f'<text class="subtitle muted" x="{PAD}" y="46" fill="{LIGHT.muted}">{shown}</text>\n'


def _nothing() -> Iterator[str]:
    yield f'<text class="none" y="{2 * ROW}" font-size="15">No samples: the profile is empty.</text>\n'


def _own_notes(subject: Subject, min_width: float) -> Iterator[str]:
    """Notes the picture adds by itself."""
    missing = undrawn(subject, min_width)
    if missing:
        yield missing
    comparison = subject.comparison
    if comparison is not None:
        gone = vanished(comparison)
        if gone:
            yield gone
    told = provenance(subject.profile)
    if told:
        yield told


def _foot(subject: Subject, look: Look, notes: Sequence[str]) -> Iterator[str]:
    """The status line, the place for the share matched, the legend of a comparison, and the notes."""
    room = look.width - 2 * PAD
    told = fit(status(subject, look.min_width), room / LINE_CELL)
    yield f'<text class="status" y="17" role="status" aria-live="polite">{escape(told)}</text>\n'
    yield f'<text class="matched" x="{room}" y="17" text-anchor="end" aria-live="polite"></text>\n'
    y = 17
    if subject.comparison is not None and subject.placed.spans:
        from flamegraph import legend

        yield legend.of_change(subject.palette, y + LINE)
        y += LINE
    for note in notes:
        for line in wrap(note, int(room / CELL)):
            y += LINE
            yield f'<text class="note muted" y="{y}" fill="{LIGHT.muted}">{escape(line)}</text>\n'


def _scripts(subject: Subject, look: Look, texts: Texts, notes: Sequence[str]) -> Iterator[str]:
    if look.script == "none" or not subject.placed.spans:
        return
    title, subtitle = ("", "") if texts.bare else (clean(texts.title), clean(texts.subtitle))
    data = block(subject, look.direction == "flame", title, subtitle, [*map(clean, notes)])
    yield f'<script type="application/json">{data}</script>\n'
    if look.script == "inline":
        yield f"<script><![CDATA[{picture_script()}]]></script>\n"
    else:
        yield f'<script href="{escape(look.script)}"/>\n'
