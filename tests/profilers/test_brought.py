"""What a node keeps when it is brought, and what `flamegraph` draws, is the same of odd folded files."""

import codecs
import io
from pathlib import Path

import pytest

import flamegraph
from diag.profilers.repack import taken, unpacked
from flamegraph.cli import main
from flamegraph.errors import FlamegraphError
from flamegraph.formats.lines import LONGEST_LINE

DRAWN = {
    "blank lines": b"\n  \n",
    "a deep stack": b";".join(b"f%d" % at for at in range(99_999)) + b" 1\n",
    "escapes of a terminal": b"main;\x1b[31mred\x07 2\nmain;\x01\x7f 1\n",
    "zero bytes within": b"main 1\nwo\0rk;\0 2\n",
    "zero bytes at once": b"wo\0rk;\0 2\nmain 1\n",
    "the root of PHP": b"{main};work 2\n{main} 1\n",
    "marks of XML": b"<module>;<lambda> 2\n<module> 1\n",
    "marks of XML and no count": b"<module>\n<module>;<lambda> 2\n<module> 1\n",
    "empty frames": b"a;;b 2\n;c 1\na;;; 4\n",
    "no frames at all": b" 5\n;; 2\n",
    "no weight": b"a;b 0\n",
    "the largest weight": b"main %d\n" % (10**18 - 1),
    "fractions": b"a;b 0.1\na 2.75\nb 3.\n",
    "small fractions": b"a;b 0.000000001\na 1000000\n",
    "line ends of Windows": b"a;b 2\r\na 1\r\n",
    "a last line without end": b"a;b 2\na 1",
    "bytes that are no UTF-8": b"caf\xe9;\xff\xfe 2\ncaf\xe9 1\n",
    "surrogates": b"\xed\xa0\x80;b 2\n",
    "names like marks": b"\n\x1f\x8b;b 2\n\xfe\xff 1\n\xef\xbb\xbf 4\n",
    "UTF-8 with a mark": codecs.BOM_UTF8 + b"a;b 2\na 1\n",
    "UTF-16 with a mark": "\ufeffa;b 2\na 1\n".encode("utf-16-le"),
    "headers of Austin": b"# austin: 3.6\n# mode: wall\nP1;T2;main 3\n",
    "a line that is none": b"a;b 2\nnothing\na 1\n",
    "a long name": b"a;%s 2\n" % (b"x" * (1 << 20)),
    "names of our labels": b"request: GET /;main 2\nthread: x;main 1\n",
    "places in names": b"f (a.py:0);g (b.py:99999999999999999999);h (:1) 2\n",
}
REFUSED = {
    "no stack": b"hello\nworld\n",
    "line ends of old Macs": b"a;b 2\ra 1\rb 4\n",
    "UTF-16 without a mark": "a;b 2\na 1\n".encode("utf-16-be"),
    "broken UTF-16": "\ufeffa 1\n".encode("utf-16-le") + b"x",
    "a weight that is too large": b"main %d\n" % 10**18,
    "weights below zero": b"main -1\n",
    "no number": b"main nan\n",
    "too deep a stack": b"f;" * 100_000 + b"f 1\n",
    "too long a line": b"a 1\n%s 2\n" % (b"x" * LONGEST_LINE),
    "gzip that is cut off": b"\x1f\x8b\x08\0\0\0\0\0\0\0",
}


def of(files: dict[str, bytes]) -> list[object]:
    return [pytest.param(data, id=name) for name, data in files.items()]


def drawn(data: bytes, tmp_path: Path) -> int:
    """The exit code of the command that draws the file."""
    path = tmp_path / "in.folded"
    path.write_bytes(data)
    return main(["render", str(path), "-o", str(tmp_path / "out.svg")])


@pytest.mark.parametrize("data", of(DRAWN))
def test_what_is_drawn_is_kept_with_its_weight(data: bytes, tmp_path: Path) -> None:
    code = drawn(data, tmp_path)
    before = flamegraph.read(tmp_path / "in.folded")
    assert code == (0 if before.total else 2), "an empty picture has an exit code of its own"
    _, content = taken(data, None)
    again = flamegraph.read(io.BytesIO(unpacked(content)), format="folded")
    assert again.total == pytest.approx(before.total, rel=1e-12)
    assert len(list(again.stacks())) == len(list(before.stacks()))


@pytest.mark.parametrize("data", of(REFUSED))
def test_what_is_not_drawn_is_refused_with_the_same_sentence(
    data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drawn(data, tmp_path) == 3
    said = capsys.readouterr().err.strip().partition("in.folded: ")[2]
    with pytest.raises(FlamegraphError) as refused:
        taken(data, None)
    assert str(refused.value) == said
