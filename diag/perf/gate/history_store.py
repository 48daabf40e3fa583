"""Where the history is kept: a file, or a branch of its own that holds nothing else."""

import os
import subprocess
from pathlib import Path
from typing import Final

from diag.errors import ConfigError

FILE: Final = "perf-history.jsonl"
_AUTHOR: Final = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "perf-history"), ("EMAIL", "perf-history@localhost"))
}


class OnFile:
    """A history in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def text(self) -> str:
        """Empty where there is none yet."""
        return self._path.read_text(encoding="utf-8") if self._path.exists() else ""

    def write(self, text: str) -> None:
        """Whole or not at all."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        made = self._path.with_suffix(".making")
        made.write_text(text, encoding="utf-8")
        made.rename(self._path)


class OnBranch:
    """A history in a branch that holds that file alone; each write is a commit. Raises ConfigError."""

    def __init__(self, repository: Path, branch: str) -> None:
        self._repository = repository
        self._ref = f"refs/heads/{branch}"
        self._git("check-ref-format", self._ref)

    def text(self) -> str:
        """Empty where there is none yet."""
        return self._git("show", f"{self._ref}:{FILE}") if self._tip() else ""

    def write(self, text: str) -> None:
        """The branch moves on by a commit; raises ConfigError if another did so meanwhile."""
        tip = self._tip()
        blob = self._git("hash-object", "-w", "--stdin", given=text).strip()
        tree = self._git("mktree", given=f"100644 blob {blob}\t{FILE}\n").strip()
        parents = ["-p", tip] if tip else []
        commit = self._git("commit-tree", tree, *parents, "-m", "Measurements of one more commit").strip()
        self._git("update-ref", self._ref, commit, tip or "0" * 40)

    def _tip(self) -> str:
        return self._git("for-each-ref", "--format=%(objectname)", self._ref).strip()

    def _git(self, *words: str, given: str = "") -> str:
        command = ["git", "-C", str(self._repository), *words]
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, env=os.environ | _AUTHOR
        )
        if done.returncode:
            raise ConfigError(f"`git {' '.join(words)}` failed: {done.stderr.strip() or done.returncode}")
        return done.stdout
