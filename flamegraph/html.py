"""A page around the picture: the flame graph, and the hottest functions as a table to read and to sort.

The page names its own scripts and styles by hash in a content security policy, so that nothing a profile
holds could run even if it were taken for markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from flamegraph.assets import page_script, picture_script
from flamegraph.csp import csp_hash
from flamegraph.errors import OptionError
from flamegraph.palettes import Palette
from flamegraph.profile import Profile
from flamegraph.style import page_style, picture_style
from flamegraph.summary import provenance, undrawn, vanished
from flamegraph.svg import Texts, checked_look, picture, subject_of
from flamegraph.table import table
from flamegraph.text import escape

if TYPE_CHECKING:
    from flamegraph.comparison import Comparison


def render_html(
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
    rows: int = 100,
) -> str:
    """A page of its own with the picture of `svg.render` and a table of the `rows` hottest functions.

    A function's total counts it once a stack however often it calls itself. The table can be sorted and a
    name in it found in the picture; with `script="none"` it can be read. An address for `script` is for the
    picture's script; the table's is inline. Arguments and errors are those of `svg.render`, and OptionError
    for a negative number of rows.
    """
    if rows < 0:
        raise OptionError(f"The table is to have {rows} rows; it can have 0 or more.")
    look = checked_look(width, min_width, direction, palette, widths, script, si)
    subject = subject_of(profile, look)
    tree = profile if isinstance(profile, Profile) else profile.tree
    policy = _policy(script, subject.palette)
    texts = Texts(title, subtitle, tuple(notes), bare=True)
    return "".join(
        [
            "<!DOCTYPE html>\n",
            '<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n',
            '<meta name="viewport" content="width=device-width,initial-scale=1">\n',
            f"<title>{escape(title)}</title>\n<style>{page_style()}</style>\n</head>\n<body>\n",
            f"<header>\n<h1>{escape(title)}</h1>\n",
            f"<p>{escape(subtitle)}</p>\n" if subtitle else "",
            '</header>\n<main>\n<div class="fluid">\n',
            picture(subject, look, texts),
            "</div>\n",
            *(
                f"<p>{escape(note)}</p>\n"
                for note in (*notes, *_own_notes(profile, tree, undrawn(subject, min_width)))
            ),
            *table(profile, si, rows),
            "</main>\n",
            "" if script == "none" else f"<script>{page_script()}</script>\n",
            "</body>\n</html>\n",
        ]
    )


def _policy(script: str, palette: Palette) -> str:
    """Nothing is loaded but what the page names itself."""
    scripts = {
        "none": ["'none'"],
        "inline": [csp_hash(picture_script()), csp_hash(page_script())],
    }.get(script, [script if "://" in script else "'self'", csp_hash(page_script())])
    styles = [csp_hash(page_style()), csp_hash(picture_style(palette))]
    return f"default-src 'none'; script-src {' '.join(scripts)}; style-src {' '.join(styles)}"


def _own_notes(profile: Profile | Comparison, tree: Profile, missing: str) -> Iterator[str]:
    gone = "" if isinstance(profile, Profile) else vanished(profile)
    yield from (note for note in (missing, gone, provenance(tree)) if note)
