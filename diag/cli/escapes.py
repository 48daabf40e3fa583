"""Keys and data as words on a line: what would steer a terminal, or break the line, is written out.

The form is the one that a shell's ``printf %b`` reads back: ``\\\\``, ``\\n``, ``\\x1b``, ``\\u00a0``.
"""


def escaped(text: str) -> str:
    """``text`` on one line, such that no two texts look alike."""
    return "".join(map(_written, text))


def escaped_lines(text: str) -> str:
    """``text`` with its own lines and tabs, for who reads it on a terminal."""
    return "".join(char if char in "\n\t" else _written(char) for char in text)


def _written(char: str) -> str:
    if char.isprintable() and char != "\\":
        return char
    # A shell takes \xa0 for a byte, not for a character.
    return (
        char.encode("unicode_escape").decode()
        if ord(char) < 0x80 or ord(char) > 0xFF
        else f"\\u{ord(char):04x}"
    )
