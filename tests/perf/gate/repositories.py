"""Git repositories for tests: small ones, and one that holds this project."""

import shutil
import subprocess
from pathlib import Path

PROJECT = Path(__file__).parents[3]
_AUTHOR = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")


def git(directory: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", directory, *_AUTHOR, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def repository(directory: Path, files: dict[str, str]) -> Path:
    """A repository on the branch main with one commit."""
    directory.mkdir(exist_ok=True)
    git(directory, "init", "--quiet", "--initial-branch=main")
    return commit(directory, files, "first")


def commit(directory: Path, files: dict[str, str], subject: str) -> Path:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", subject)
    return directory


def project(directory: Path) -> Path:
    """A repository whose first commit is this project as it stands."""
    directory.mkdir()
    for name in ("diag", "flamegraph", ".requirements"):
        shutil.copytree(PROJECT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(PROJECT / name, directory / name)
    return repository(directory, {})


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
