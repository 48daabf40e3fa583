"""The metrics pages of several nodes as one page, with a ``node`` label on each sample.

The pages' texts are joined line by line, in either form, so every figure stays
as its node wrote it. A family stands once, with the samples of all nodes below.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

EOF = "# EOF"

#: Says of each node whether it is on the page.
UP = "metasrv_cluster_node_up"
_UP_HELP = "1 when the node gave its metrics for this page, 0 when it was not reachable in time."


@dataclass
class _Family:
    """``heads`` are the comment lines by their keyword; ``kind`` is None until it is known."""

    name: str
    kind: str | None = None
    heads: dict[str, str] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)


def merge(pages: Mapping[int, str | None], *, openmetrics: bool) -> str:
    """One page of the pages by node id; None stands for a node that gave none.

    All pages must be in the same form. Of a family that two nodes give different types, which nodes of
    different versions may, the first node's samples stay.
    """
    families: dict[str, _Family] = {}
    for node_id, page in pages.items():
        _read(page or "", node_id, families)
    up = _Family(UP, "gauge", {"HELP": f"# HELP {UP} {_UP_HELP}", "TYPE": f"# TYPE {UP} gauge"})
    up.samples = [f'{UP}{{node="{node_id}"}} {int(page is not None)}' for node_id, page in pages.items()]
    blocks = [_text(family) for family in (*families.values(), up)]
    if openmetrics:
        return "".join(blocks) + EOF + "\n"
    return "\n".join(blocks)


def _read(page: str, node_id: int, families: dict[str, _Family]) -> None:
    current, kept = _Family(""), True
    for line in page.split("\n"):
        if line.startswith("# ") and line != EOF:
            _, keyword, name, *rest = line.split(" ", 3)
            if name != current.name:
                current, kept = families.setdefault(name, _Family(name)), True
            if keyword == "TYPE":
                kind = rest[0] if rest else ""
                kept = current.kind in (None, kind)
                current.kind = current.kind or kind
            current.heads.setdefault(keyword, line)
        elif kept and line and not line.startswith("#"):
            current.samples.append(_labelled(line, node_id))


def _labelled(sample: str, node_id: int) -> str:
    """The label comes first: no value of another label need be understood."""
    name = re.split("[{ ]", sample, maxsplit=1)[0]
    rest = sample[len(name) :]
    own = f'node="{node_id}"'
    if not rest.startswith("{"):
        return f"{name}{{{own}}}{rest}"
    return f"{name}{{{own}{rest[1:] if rest.startswith('{}') else ',' + rest[1:]}"


def _text(family: _Family) -> str:
    return "".join(f"{line}\n" for line in (*family.heads.values(), *family.samples))
