"""Secrets out of texts that others read: values that are known to be secret, and what looks so.

A log's line is looked at while the node waits for it, so only for what a known beginning gives away; a file
that leaves the machine also for what a name says.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Final, TypeAlias

HIDDEN: Final = "***"

#: Shorter ones would be found in every word, and are guessed in no time anyway.
_LEAST: Final = 4
#: A variable that a name makes secret may as well hold a plain word, such as "true".
_LEAST_OF_ENVIRONMENT: Final = 6

_NAMES: Final = (
    r"(?:pass(?:word|wd|phrase)?|secrets?|tokens?|api[_-]?key|private[_-]?key|credentials?"
    r"|authorization|cookie)"
)
# No part of unbounded length stands before what makes a match: a hostile line must not take long.
_KEY: Final = _NAMES + r"[A-Za-z0-9_-]{0,40}[\"']?[ \t]{0,8}[:=][ \t]{0,8}"


def _value(match: re.Match[str]) -> str:
    return f"{match[1]}{HIDDEN}"


#: A pattern, and what to put for it. A function where it matters: a template is looked up at each search.
_Shape: TypeAlias = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]

_PEM: Final = re.compile(r"(-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----)[^-]{0,20000}")
# Each begins with a letter or two: the search for them is what a line costs.
_ANYWHERE: Final[tuple[_Shape, ...]] = (
    # Authorization: Bearer abc123, in headers and in what quotes them; but no word of a sentence, as in
    # "the basic idea". What comes before is looked at last: most of what begins with b goes on otherwise.
    (
        re.compile(
            r"([Bb](?i:earer(?<!\w.{6})|asic(?<!\w.{5}))[ \t]{1,8})"
            r"(?![a-z]{1,16}[.:!?)]?(?![^\s\"',;]))[^\s\"',;]{6,}"
        ),
        _value,
    ),
    # Tokens of this service.
    (re.compile(r"mdt_[\w-]{6,}"), HIDDEN),
    # scheme://user:password@host
    (re.compile(r"(://[^\s/:@]{0,200}:)(?!\*\*\*@)[^\s/]{1,200}(?=@)"), _value),
)


@cache
def _named() -> tuple[_Shape, ...]:
    """What a name says is secret; made when it is first wanted."""
    return (
        # key = ["value", "value"]
        (re.compile(rf"(?i)({_KEY})\[[^\]\n]{{1,4000}}\]"), rf'\1["{HIDDEN}"]'),
        # key = "value", "key": "value", KEY=value, --key=value; a name may have parts before and after.
        (
            re.compile(
                rf"(?i)({_KEY}"
                r"[\"'\[]{0,4}+)(?!\*\*\*|(?:null|none|true|false)\b|\[)"
                r"(?:(?:bearer|basic)[ \t]{1,8})?[^\s\"',;\]})]+"
            ),
            _value,
        ),
        (re.compile(rf"(?i)(--[a-z0-9-]{{0,40}}?{_NAMES}[ \t]{{1,8}})(?!\*\*\*|-)[^\s\"']+"), _value),
    )


#: Characters that are searched at a time: a search holds the interpreter, and with it a node's loop.
_BLOCK: Final = 1 << 15


class Redactor:
    """``values`` are the secrets that are known; empty and very short ones are passed over."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        known = sorted({value for value in values if len(value) >= _LEAST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def line(self, text: str) -> str:
        """What the service itself says, without them, and without tokens and passwords of URLs."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for pattern, instead in _ANYWHERE:
            text = pattern.sub(instead, text)
        return text

    def text(self, text: str) -> str:
        """Files and answers, which hold settings too; looked at line by line, but for private keys."""
        text = _PEM.sub(_value, text)
        return "".join(map(self._block, _blocks(text)))

    def _block(self, text: str) -> str:
        text = self.line(text)
        for pattern, instead in _named():
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
    return [
        value
        for name, value in environment.items()
        if len(value) >= _LEAST_OF_ENVIRONMENT and re.search(rf"(?i){_NAMES}|_key$", name)
    ]
