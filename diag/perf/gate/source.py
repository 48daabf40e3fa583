"""What is compared: a commit of the repository, or the working tree as it stands, as one tree of files."""

import os
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from diag.errors import ConfigError

#: Where the main branch may be found; a checkout of a pull request has only the second.
_MAIN = ("main", "origin/main", "master", "origin/master")

_NO_REPOSITORY = "not a git repository"


@dataclass(frozen=True)
class Source:
    """``name`` as asked for, the commit it stands on, the git tree that is judged.

    ``changed`` counts the files that differ from the commit: 0 but for a working tree.
    """

    name: str
    commit: str
    tree: str
    subject: str
    changed: int = 0

    def describe(self) -> str:
        """One phrase for a report; a command has a name alone."""
        if not self.commit:
            return self.name
        dirty = "" if not self.changed else f" with {_files(self.changed)} not committed"
        return f"{self.name} ({self.commit[:10]} {self.subject}{dirty})"


class Repository:
    """The git repository around a directory. Methods raise ConfigError with git's words."""

    def __init__(self, directory: Path) -> None:
        self.root = directory
        try:
            self.root = Path(self._git("rev-parse", "--show-toplevel"))
        except ConfigError as error:
            if _NO_REPOSITORY not in str(error):
                raise
            raise ConfigError(
                f"{directory} is in no git repository, and commits are compared; change to a checkout."
            ) from None

    def resolve(self, ref: str) -> Source:
        """The commit that a name stands for; ConfigError when there is none."""
        try:
            commit = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        except ConfigError:
            raise ConfigError(
                f"There is no commit {ref!r} in this repository. Give a commit, a branch or a tag that "
                "`git log` knows; a shallow clone lacks older ones (`git fetch --unshallow`)."
            ) from None
        return self._source(ref, commit, self._git("rev-parse", f"{commit}^{{tree}}"))

    def working_tree(self) -> Source:
        """The files as they stand, new ones included and ignored ones not; the index stays as it is."""
        commit = self._git("rev-parse", "HEAD")
        with tempfile.TemporaryDirectory(prefix="index-") as place:
            index = {"GIT_INDEX_FILE": str(Path(place) / "index")}
            self._git("read-tree", "HEAD", extra=index)
            self._git("add", "--all", extra=index)
            tree = self._git("write-tree", extra=index)
        changed = self._git("diff-tree", "-r", "--name-only", f"{commit}^{{tree}}", tree).splitlines()
        return replace(self._source("working tree", commit, tree), changed=len(changed))

    def default_base(self, head: Source) -> Source:
        """Where head left the main branch; on the main branch, the commit before its change."""
        for name in _MAIN:
            try:
                main = self.resolve(name)
            except ConfigError:
                continue
            fork = self._git("merge-base", main.commit, head.commit)
            if fork != head.commit:
                return replace(self.resolve(fork), name=f"merge base with {name}")
            break
        if head.changed:
            return replace(self.resolve(head.commit), name="last commit")
        try:
            return replace(self.resolve(f"{head.commit}^"), name="parent commit")
        except ConfigError:
            raise ConfigError(
                f"The commit {head.commit[:10]} has no parent here to be compared with. Name one with BASE=, "
                "or fetch the history (`git fetch --unshallow`, in GitHub Actions `fetch-depth: 0`)."
            ) from None

    def export(self, source: Source, directory: Path) -> None:
        """Write the files of the tree into an empty directory, but for links that lead out of it."""
        archive = subprocess.Popen(
            ["git", "-C", str(self.root), "archive", "--format=tar", source.tree], stdout=subprocess.PIPE
        )
        assert archive.stdout is not None
        with archive, tarfile.open(fileobj=archive.stdout, mode="r|") as files:
            files.extractall(directory, filter=_inside)  # noqa: S202 - the filter lets nothing out

    def _source(self, name: str, commit: str, tree: str) -> Source:
        return Source(name, commit, tree, self._git("show", "--no-patch", "--format=%s", commit))

    def _git(self, *words: str, extra: Mapping[str, str] | None = None) -> str:
        return _run(["git", "-C", str(self.root), *words], extra or {})


def _inside(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
    try:
        return tarfile.data_filter(member, path)
    except tarfile.FilterError:
        return None


def _run(command: Sequence[str], extra: Mapping[str, str]) -> str:
    try:
        words = {"LC_ALL": "C", **extra}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | words)
    except OSError as error:
        raise ConfigError(
            f"git cannot be run: {error.strerror}. Commits are compared, so it is needed."
        ) from None
    if done.returncode:
        said = done.stderr.strip() or f"status {done.returncode}"
        raise ConfigError(f"`{' '.join(command[3:])}` failed: {said}")
    return done.stdout.strip()


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"
