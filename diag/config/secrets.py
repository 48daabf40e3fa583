"""The secrets of a configuration, for whoever must keep them out of what is shown."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr

from diag.config.model import Config, Section


def secrets_of(config: Config) -> tuple[str, ...]:
    """Every secret value there is, and what the file holds that one is read from."""
    return (*_values(config), *_of_file(config.admin.token_file))


def _values(section: Section) -> Iterator[str]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _values(value)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, SecretStr):
                yield part.get_secret_value()


def _of_file(path: Path | None) -> Iterator[str]:
    if path is not None and path.is_file():
        try:
            yield path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return  # what cannot be read is no token either
