"""Secrets out of texts that leave the machine: values that are known to be secret, and what looks so."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final

HIDDEN: Final = "***"

#: Shorter ones would blot out words that merely contain them, and are guessed in no time anyway.
_LEAST: Final = 6

_NAMES: Final = (
    r"(?:pass(?:word|wd|phrase)?|secrets?|tokens?|api[_-]?key|private[_-]?key|credentials?"
    r"|authorization|cookie)"
)
# No part of unbounded length stands before what makes a match: a hostile line must not take long.
_KEY: Final = _NAMES + r"[A-Za-z0-9_-]{0,40}[\"']?[ \t]{0,8}[:=][ \t]{0,8}"

_PEM: Final = re.compile(r"(-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----)[^-]{0,20000}")


@cache
def _shapes() -> tuple[tuple[re.Pattern[str], str], ...]:
    """What looks like a secret within a line, and what to put there; made when it is first wanted."""
    value = rf"\1{HIDDEN}"
    return (
        # key = ["value", "value"]
        (re.compile(rf"(?i)({_KEY})\[[^\]\n]{{1,4000}}\]"), rf'\1["{HIDDEN}"]'),
        # Authorization: Bearer abc, in headers and in what quotes them.
        (re.compile(r"(?i)(\b(?:bearer|basic)[ \t]{1,8})(?!\*\*\*)[A-Za-z0-9._~+/=-]{6,}"), value),
        # key = "value", "key": "value", KEY=value, --key=value; a name may have parts before and after.
        (
            re.compile(
                rf"(?i)({_KEY}"
                r"[\"'\[]{0,4}+)(?!\*\*\*|(?:null|none|true|false)\b|\[)[^\s\"',;\]})]+"
            ),
            value,
        ),
        (re.compile(rf"(?i)(--[a-z0-9-]{{0,40}}?{_NAMES}[ \t]{{1,8}})(?!\*\*\*|-)[^\s\"']+"), value),
        # Tokens of this service, wherever they stand.
        (re.compile(r"(\bmdt_)[A-Za-z0-9_-]{8,}"), value),
        # scheme://user:password@host
        (re.compile(r"(?i)(://[^\s/:@]{0,200}:)(?!\*\*\*)[^\s/@]{1,200}(?=@)"), value),
    )


#: Characters that are searched at a time: a search holds the interpreter, and with it a node's loop.
_BLOCK: Final = 1 << 15


class Redactor:
    """``values`` are the secrets that are known; empty and very short ones are passed over."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        known = sorted({value for value in values if len(value) >= _LEAST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def text(self, text: str) -> str:
        """``text`` without them; lines are looked at one by one, but for private keys."""
        text = _PEM.sub(rf"\1{HIDDEN}", text)
        return "".join(map(self._block, _blocks(text)))

    def _block(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for pattern, instead in _shapes():
            text = pattern.sub(instead, text)
        return text


def _blocks(text: str) -> Iterator[str]:
    """Cut at the ends of lines."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _BLOCK) + 1 or len(text)
        yield text[start:end]
        start = end


def of_environment(environment: Mapping[str, str]) -> list[str]:
    """The values of variables whose names say that they are secret."""
    return [value for name, value in environment.items() if re.search(rf"(?i){_NAMES}|_key$", name)]
