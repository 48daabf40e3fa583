"""A node whose doors are closed by a tokens file, and who holds which token."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from diag.admin.guard import Guard
from diag.admin.roles import Role
from diag.admin.tokens import TokensFile, entry
from diag.tries import Tries
from tests.admin.served import Served, serving

#: Tokens by the word of their role; the file holds their hashes.
TOKENS = {role.word: f"mdt_of-the-tests-{role.word}" for role in Role}
EXPIRED = "mdt_of-the-tests-last-year"


def tokens_file(directory: Path, tokens: Mapping[str, str] = TOKENS) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / "tokens.toml"
    entries = [entry(token, f"{word}er", Role[word.upper()], None) for word, token in tokens.items()]
    entries.append(entry(EXPIRED, "former", Role.ADMIN, datetime(2020, 1, 1, tzinfo=UTC)))
    path.write_text("\n".join(entries))
    return path


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@contextlib.asynccontextmanager
async def keyed(directory: Path, tries: Tries | None = None) -> AsyncIterator[Served]:
    guard = Guard(tokens=TokensFile(tokens_file(directory)), tries=tries)
    async with serving(directory, guard=guard) as node:
        yield node
