"""Query strings read strictly: nothing unknown, nothing twice, nothing guessed."""

import difflib
import math
from collections.abc import Iterable, Mapping

from fastapi import Request

from diag.errors import InvalidRequest

_TRUE = {"", "1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}
#: How alike a name must be to have been meant: letters swapped in a short one, and no word of other sense.
_ALIKE = 0.65


def only(request: Request, known: Iterable[str], repeated: Iterable[str] = ()) -> dict[str, str]:
    """The parameters of the request; an unknown one, or one given twice, is InvalidRequest.

    A name in ``repeated`` may stand several times; its last value is in the result.
    """
    several = set(repeated)
    allowed = [*known, *several]
    params: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in allowed:
            raise InvalidRequest(_unknown("parameter", name, allowed))
        if name in params and name not in several:
            raise InvalidRequest(f"{name} is given more than once; give it once.")
        params[name] = value
    return params


def one_of(name: str, value: str, choices: Iterable[str]) -> str:
    """``value`` when it is one of ``choices``."""
    options = list(choices)
    if value not in options:
        raise InvalidRequest(f"{name} is {value!r}; it must be {_listed(options)}.")
    return value


def flag(params: Mapping[str, str], name: str) -> bool:
    """Absent is false; present without a value is true."""
    value = params.get(name, "false").lower()
    if value not in _TRUE | _FALSE:
        raise InvalidRequest(f"{name} is {params[name]!r}; it must be true or false.")
    return value in _TRUE


def number(name: str, value: str, least: float, most: float) -> float:
    """``value`` as a finite number within ``least`` and ``most``."""
    try:
        # "1_0" and other scripts' digits are numbers to Python, and typing errors here.
        result = float(value) if value.isascii() and "_" not in value and value.strip() == value else math.nan
    except ValueError:
        result = math.nan
    if not least <= result <= most:
        raise InvalidRequest(f"{name} is {value!r}; it must be a number from {least:g} to {most:g}.")
    return result


def whole(name: str, value: str, least: int = 0, most: int = 2**64 - 1) -> int:
    """``value`` as a whole number within ``least`` and ``most``, by default one that fits 64 bits."""
    if not (value.isascii() and value.isdecimal() and len(value) <= 20 and least <= int(value) <= most):
        raise InvalidRequest(f"{name} is {value!r}; it must be a whole number from {least} to {most}.")
    return int(value)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InvalidRequest:
    """The error for a name that is not among ``known``, naming these and the one that was meant."""
    return InvalidRequest(_unknown(kind, name, list(known)))


def _unknown(kind: str, name: str, known: list[str]) -> str:
    if not known:
        return f"There is no {kind} {name!r}; this route takes none."
    near = difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)
    hint = f"did you mean {near[0]!r}? Known" if near else "known"
    return f"There is no {kind} {name!r}; {hint}: {', '.join(known)}."


def _listed(options: list[str]) -> str:
    return options[0] if len(options) == 1 else f"{', '.join(options[:-1])} or {options[-1]}"
