"""Who calls, and what they may do: three roles, each of which includes those before it."""

from enum import IntEnum
from typing import Final, NamedTuple, Self

#: Key of the ASGI scope: the ``Caller``, once a guard knows it, this node's or that of another member.
CALLER: Final = "metadiag.caller"


class Role(IntEnum):
    """``READ`` looks at state and at what is kept, ``PROFILE`` takes evidence, ``ADMIN`` changes state."""

    READ = 1
    PROFILE = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """As it is written in files and answers."""
        return self.name.lower()

    @classmethod
    def of(cls, word: object) -> Self | None:
        """The role of that word, None for a word that is none."""
        return next((role for role in cls if role.word == word), None)


class Caller(NamedTuple):
    """``how`` is token, certificate, session, loopback, member (another node's word) or anonymous.

    With the ``role`` None a caller may use only what is open to all.
    """

    name: str
    role: Role | None
    how: str


#: Somebody of whom nothing is known.
ANONYMOUS: Final = Caller("anonymous", None, "anonymous")
#: This machine, where no tokens file closes the doors to it.
LOOPBACK: Final = Caller("loopback", Role.ADMIN, "loopback")
