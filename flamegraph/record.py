"""Records: what a NamedTuple is to its reader and to a type checker, where start-up counts.

Loading `typing` and making a dozen NamedTuples takes as long as drawing a thousand frames, so what
every picture needs is made of these, and modules that every picture needs load `typing` for type checkers
alone (`TYPE_CHECKING = False`, which they take for true).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, dataclass_transform
else:

    def dataclass_transform(**_options):
        return lambda kind: kind


@dataclass_transform(frozen_default=True)
class Record:
    """A value of named fields, equal to another by all of them. Fields are the annotations of the class, in
    order; what is set there is their default. Type checkers see to the arguments."""

    def __init__(self, *values: Any, **named: Any) -> None:
        self.__dict__.update(zip(self.fields(), values, strict=False), **named)

    @classmethod
    def fields(cls) -> tuple[str, ...]:
        """The names of the fields."""
        return tuple(cls.__annotations__)

    def values(self) -> tuple[Any, ...]:
        """The values, in the order of the fields."""
        return tuple(getattr(self, field) for field in self.fields())

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.values() == self.values()

    def __hash__(self) -> int:
        return hash(self.values())
