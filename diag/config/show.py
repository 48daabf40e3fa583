"""The effective configuration as TOML text, secrets redacted."""

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr

from diag.config.model import Config, Section


def show_config(config: Config) -> str:
    """TOML of every key with its effective value; a secret that is set shows as ``***``."""
    return "\n".join(_lines(config, ())) + "\n"


def _lines(section: Section, path: tuple[str, ...]) -> Iterator[str]:
    if path:
        yield f"\n[{'.'.join(path)}]"
    values = [(name, getattr(section, name)) for name in type(section).model_fields]
    for name, value in values:
        if not isinstance(value, Section):
            yield f"{name} = {_value(value)}" if value is not None else f"# {name} is not set"
    for name, value in values:
        if isinstance(value, Section):
            yield from _lines(value, (*path, name))


def _value(value: object) -> str:
    if isinstance(value, SecretStr):
        return '"***"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_value(one)}" for key, one in value.items()) + "}"
    return json.dumps(str(value) if isinstance(value, Path) else value)
