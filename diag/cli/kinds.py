"""Kinds of option values that click has not."""

import click


class Seconds(click.ParamType[float]):
    """A finite number of seconds from ``least`` to ``most``; unlike click's own range it refuses nan."""

    name = "seconds"

    def __init__(self, least: float, most: float) -> None:
        self._least = least
        self._most = most

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = float(str(value))
        except ValueError:
            seconds = float("nan")
        if not self._least <= seconds <= self._most:
            self.fail(
                f"{value!r} is not a number of seconds from {self._least:g} to {self._most:g}", param, ctx
            )
        return seconds
