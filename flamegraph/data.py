"""What the viewer's script works on: the frames in columns, row by row, as one JSON block.

kids   how many frames stand on each frame; they are consecutive in the next row, so this is the tree
name   index into `names`
gap    what lies between a frame and the one left of it, or its caller's own weight: frames not drawn
total  weight
rest   weight - own weight - weight of the frames on it: frames not drawn on top of it

Gaps and rests are mostly zero, which is why they stand here and places do not; a column of nothing but zeros
is empty. A second set of gap, total and
rest has the frames in another shape. `<`, `>` and `&` are written as JSON escapes: the block is the same text
in XML, in HTML and in JSON.
"""

from __future__ import annotations

from collections.abc import Sequence

from flamegraph.palettes import ROOT_CLASS, UNCHANGED
from flamegraph.profile import ROOT, Weight
from flamegraph.subject import Shape, Subject
from flamegraph.units import Wording, wording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flamegraph.comparison import Comparison

_ESCAPED = (
    ("\\", "\\\\"),
    ('"', '\\"'),
    ("\n", "\\n"),
    ("\r", "\\r"),
    ("\t", "\\t"),
    ("&", "\\u0026"),
    ("<", "\\u003c"),
    (">", "\\u003e"),
    ("\u2028", "\\u2028"),
    ("\u2029", "\\u2029"),
)


def block(subject: Subject, upwards: bool, title: str, subtitle: str, notes: Sequence[str]) -> str:
    """The JSON text. The script sets title, subtitle and notes in lines again when the width changes; they,
    and all names, must be clean: see `text.clean`."""
    parts = [
        f'{{"title":{_strings([title])},"subtitle":{_strings([subtitle])},"notes":[{_strings(notes)}]',
        f'"up":{"true" if upwards else "false"}',
        f'"unit":{_unit(wording(subject.profile.unit, subject.si))}',
        f'"dim":{ROOT_CLASS if subject.comparison is None else UNCHANGED}',
        f'"hidden":{subject.placed.hidden}',
        f'"names":[{_strings(subject.names)}]',
        f'"kids":{_column(subject.placed.kids)}',
        f'"name":{_column(subject.name_ids)}',
        _kinds(subject),
        f'"shapes":[{",".join(map(_shape, subject.shapes))}]',
    ]
    if subject.comparison is not None:
        parts.append(_comparison(subject.comparison, subject.placed.nodes))
    return ",".join(parts) + "}"


def _strings(texts: Sequence[str]) -> str:
    """JSON strings with commas between them. All at once, by a character that no clean text holds; the
    standard library's module takes longer to load than a small picture to draw."""
    if not texts:
        return ""
    joined = "\x00".join(texts)
    for character, escaped in _ESCAPED:
        joined = joined.replace(character, escaped)
    return '"' + joined.replace("\x00", '","') + '"'


def _unit(words: Wording) -> str:
    steps = ",".join(f'[{size},"{name}"]' for size, name in words.steps)
    return f'["{words.one}","{words.many}",[{steps}]]'


def _kinds(subject: Subject) -> str:
    """Classes by frame in a comparison, and by distinct name where the name decides."""
    if subject.comparison is not None:
        return f'"kind":{_column(subject.kinds)}'
    by_name = [0] * len(subject.names)
    for name_id, kind in zip(subject.name_ids, subject.kinds, strict=True):
        by_name[name_id] = kind
    return f'"kinds":{_column(by_name)}'


def _shape(shape: Shape) -> str:
    placed = shape.placed
    columns = (("gap", placed.gaps), ("total", placed.totals), ("rest", placed.rests))
    written = ",".join(f'"{key}":{_column(values) if any(values) else "[]"}' for key, values in columns)
    return f'{{"of":"{shape.name}",{written}}}'


def _comparison(comparison: Comparison, nodes: list[int]) -> str:
    """Weights in both profiles and the significance (percent) of each frame."""
    now, before = comparison.tree.totals, comparison.base_totals
    sure = [100 if node == ROOT else round(100 * comparison.significance(node)) for node in nodes]
    return (
        f'"whole":{_short(comparison.whole)},"now":{_column([now[node] for node in nodes])},'
        f'"before":{_column([before[node] for node in nodes])},"sure":{_column(sure)}'
    )


def _column(values: Sequence[Weight]) -> str:
    """Numbers as a JSON list. Fractions are cut to nine digits: sums of them are no more exact."""
    if float in set(map(type, values)):
        return f"[{','.join(map(_short, values))}]"
    return repr(values).replace(" ", "")


def _short(value: Weight) -> str:
    if isinstance(value, int):
        return str(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.9g}"
