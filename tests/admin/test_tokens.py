"""The tokens file: what it holds, what it refuses, and that it is read again."""

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from diag.admin.roles import Role
from diag.admin.tokens import Token, TokensFile, digest_of, entry, new_token, read_tokens
from diag.errors import ConfigError

HASH = digest_of("t")


def test_an_empty_file_holds_no_token(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text("")
    assert read_tokens("") == ()
    assert TokensFile(path).find(digest_of("")) is None


def test_a_new_token_is_never_the_same_and_its_entry_does_not_hold_it() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    token = made.pop()
    lines = entry(token, "ops", Role.PROFILE, datetime(2030, 1, 2, tzinfo=UTC))
    assert token not in lines
    (read,) = read_tokens(lines)
    end = datetime(2030, 1, 2, tzinfo=UTC).timestamp()
    assert read == Token("ops", Role.PROFILE, digest_of(token), end)
    assert (read.is_valid(end - 1), read.is_valid(end)) == (True, False)


def one(**changes: str) -> str:
    values = {"name": '"a"', "role": '"read"', "hash": f'"sha256:{HASH}"'} | changes
    return "[[token]]\n" + "\n".join(f"{key} = {value}" for key, value in values.items())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = [", "not valid TOML"),
        ("x = 1", r"holds \[\[token\]\] tables and nothing else"),
        ("token = 1", "tables and nothing else"),
        ("token = [1]", "tables and nothing else"),
        (one(role='"root"'), r"number 1: role cannot be used: expected one of read, profile, admin"),
        (one(role="1"), "role cannot be used"),
        (one(name='""'), "name cannot be used"),
        (one(name='"a b"'), "name cannot be used"),
        (one(name='"a\\nb"'), "name cannot be used"),
        (one(hash='"t"'), "hash cannot be used: expected 'sha256:' and 64 hex digits"),
        (one(hash=f'"md5:{HASH}"'), "hash cannot be used"),
        (one(expires='"tomorrow"'), "expires cannot be used: expected a moment with its zone"),
        (one(expires="2030-01-01T00:00:00"), "expires cannot be used"),
        (one(roles='"read"'), "roles cannot be used: known keys are"),
        (one() + "\n" + one(hash=f'"sha256:{digest_of("u")}"'), "two tokens have the name of 'a'"),
        (one() + "\n" + one(name='"b"'), "two tokens have the hash of 'a'"),
    ],
)
def test_what_is_wrong_with_a_file_is_named_and_no_hash_is_told(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says) as told:
        TokensFile(path)
    assert HASH not in str(told.value)


def test_a_missing_file_is_refused_at_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        TokensFile(tmp_path / "none.toml")


def test_a_token_is_found_until_it_expires(tmp_path: Path) -> None:
    path, now = tmp_path / "tokens.toml", 100.0
    path.write_text(one(expires="1970-01-01T00:03:20Z"))
    file = TokensFile(path, lambda: now)
    assert file.find(HASH) == ("a", Role.READ, HASH, 200.0)
    assert file.find(digest_of("u")) is None
    now = 200.0
    assert file.find(HASH) is None


def test_it_is_read_again_when_it_changed_and_a_broken_one_keeps_the_last(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "diag")
    path = tmp_path / "tokens.toml"
    path.write_text(one())
    file = TokensFile(path)
    path.write_text(one(role='"admin"'))
    found = file.find(HASH)
    assert found is not None
    assert found.role is Role.ADMIN
    for breaking in (
        lambda: path.write_text("[[token]]\nrole ="),
        path.unlink,
        lambda: path.write_bytes(b"\xff"),
    ):
        breaking()
        for _ in range(3):
            assert file.find(HASH) == found, "a slip of the editor locks nobody out"
        assert str(file.fault()).startswith(f"{path}: ")
    told = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == 3, "each fault is told once"
    assert all("the last good one holds" in line for line in told)
    path.write_text("")
    assert file.find(HASH) is None
    assert file.fault() is None


def test_a_file_that_is_moved_away_and_back_is_no_fault_any_more(tmp_path: Path) -> None:
    path, away = tmp_path / "tokens.toml", tmp_path / "away"
    path.write_text(one())
    file = TokensFile(path)
    path.rename(away)
    assert file.fault() == f"{path}: No such file or directory"
    away.rename(path)
    assert file.fault() is None


def test_the_line_of_a_fault_is_told(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(one())
    file = TokensFile(path)
    path.write_text("[[token]]\nrole = read\n")
    assert "line 2" in str(file.fault())
