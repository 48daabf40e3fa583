"""Profiles as files: one module a format, and the table of what can be read and written, by name.

A format's module is loaded when it is used: most commands read one small file, and loading a reader for each
format would take longer than that.
"""

from __future__ import annotations

from importlib import import_module

from flamegraph.errors import InputError, OptionError, OutputError
from flamegraph.formats.options import Options
from flamegraph.formats.source import opened
from flamegraph.profile import Profile
from flamegraph.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from flamegraph.formats.source import Source


class Format(Record):
    """One format. Its module has `sniff(head)`, `read(stream, options)` and, if it is written, `write`.

    suffixes  of file names, in lower case and without `.gz`; compared when content does not tell
    options   the fields of `Options` that its reader knows
    """

    name: str
    help: str
    suffixes: tuple[str, ...]
    options: tuple[str, ...]
    written: bool = False

    def sniff(self, head: bytes) -> bool:
        """Whether the first bytes of a file, unpacked, are of this format."""
        return bool(import_module(f"flamegraph.formats.{self.name}").sniff(head))

    def read(self, stream: BinaryIO, options: Options) -> Profile:
        """The profile in an open stream. Raises InputError, and OptionError for an option out of range."""
        profile: Profile = import_module(f"flamegraph.formats.{self.name}").read(stream, options)
        return profile

    def write(self, profile: Profile, file: BinaryIO) -> None:
        """Writes a profile. Raises OutputError for what the format cannot hold."""
        if not self.written:
            raise OutputError(f"The format {self.name} cannot be written; choose {', '.join(WRITTEN)}.")
        import_module(f"flamegraph.formats.{self.name}").write(profile, file)


# In the order of sniffing. The first two are the most frequent and load the least.
FORMATS = (
    Format("pyspy", "py-spy's raw form", (".pyspy", ".raw"), ("unit", "threads")),
    Format(
        "folded",
        "folded stacks, one `a;b;c COUNT` a line",
        (".folded", ".collapsed"),
        ("unit",),
        written=True,
    ),
    Format("memray", "a capture of memray", (".bin",), ("mode",)),
    Format("pprof", "pprof, gzipped or not", (".pb", ".pprof"), ("sample_type", "labels"), written=True),
    Format("pstats", "statistics of cProfile", (".pstats", ".prof"), ()),
    Format("speedscope", "speedscope's JSON", (".json",), ("sample_type", "labels"), written=True),
)
_OF_LINES = ("pyspy", "folded")
WRITTEN = tuple(form.name for form in FORMATS if form.written)


def read(
    source: Source,
    *,
    format: str | None = None,  # noqa: A002 - the word that callers know
    unit: str | None = None,
    line_numbers: bool = True,
    **options: object,
) -> Profile:
    """Reads a profile of any known format, from a path or an open binary stream, gzipped or not.

    Without `format`, the content tells, then the suffix of the path. `unit` says what weights are, in formats
    that do not say it themselves. With `line_numbers` False, frames that differ in the line alone become one.
    `options` are those of the format (see `Options`): sample_type, labels, mode, threads.

    Raises InputError for what cannot be read, with the place; OptionError for an unknown format or option.
    """
    with opened(source) as (head, stream):
        form = by_name(format) if format else _told(head, source)
        profile = form.read(stream, _options(form, unit, options))
    if line_numbers:
        return profile
    from flamegraph.transform import drop_line_numbers

    return drop_line_numbers(profile)


def write(profile: Profile, file: BinaryIO, format: str) -> None:  # noqa: A002
    """Writes a profile in one of the formats of `WRITTEN`. Raises OptionError, OutputError."""
    by_name(format).write(profile, file)


def by_name(name: str) -> Format:
    """The format of this name; raises OptionError."""
    for form in FORMATS:
        if form.name == name:
            return form
    raise OptionError(
        f"The format {name!r} is not known; choose one of {', '.join(f.name for f in FORMATS)}."
    )


def by_suffix(path: str) -> Format | None:
    """The format whose suffix a path has."""
    lower = path.lower().removesuffix(".gz")
    for form in FORMATS:
        if lower.endswith(form.suffixes):
            return form
    return None


def _told(head: bytes, source: Source) -> Format:
    for form in FORMATS:
        if form.sniff(head):
            return form
    found = by_suffix(str(source)) if not hasattr(source, "read") else None
    if (found is None or found.name in _OF_LINES) and _is_half_zeros(head):
        raise InputError("The profile looks like UTF-16 without a byte order mark; save it as UTF-8.")
    if found or head.isspace() or not head:
        return found or by_name("folded")
    if _is_text(head) or _is_mostly_stacks(head):
        # Folded stacks with nothing but invalid lines at their head, of which the reader says which; or such
        # as begin like another format: the root of a PHP program is called {main}.
        return by_name("folded")
    raise InputError(
        f"The profile is of no known format (it begins with {head[:16]!r}), and no file's "
        f"ending tells one; those known are {', '.join(form.name for form in FORMATS)}."
    )


def _is_text(head: bytes) -> bool:
    """Text that is not marked up: not JSON, XML or HTML."""
    return (b"\0" not in head and not head.lstrip().startswith((b"{", b"[", b"<"))) or head.startswith(
        (b"\xff\xfe", b"\xfe\xff")
    )


def _is_mostly_stacks(head: bytes) -> bool:
    from flamegraph.formats.folded import is_stack

    lines = [line for line in head.splitlines() if line.strip()]
    return 2 * sum(map(is_stack, lines)) > len(lines)


def _is_half_zeros(head: bytes) -> bool:
    """Whether nearly every second byte is zero and few others are: UTF-16 of mostly Latin letters."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    return max(even, odd) > 0.4 * len(head) and min(even, odd) < 0.05 * len(head)


def _options(form: Format, unit: str | None, options: dict[str, object]) -> Options:
    given = {name: value for name, value in options.items() if value is not None}
    if unit is not None:
        given["unit"] = unit
    if isinstance(given.get("labels"), str):
        given["labels"] = (given["labels"],)
    for name in given:
        if name not in Options.fields():
            raise OptionError(f"There is no option {name!r}; there are {', '.join(Options.fields())}.")
        if name not in form.options:
            known = ", ".join(form.options) or "none"
            raise OptionError(f"The format {form.name} does not know the option {name!r}; it knows: {known}.")
    return Options(**given)  # type: ignore[arg-type]
