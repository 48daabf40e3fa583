"""What is compared: names of commits, the working tree, and the base that goes without saying."""

from pathlib import Path

import pytest

from diag.errors import ConfigError
from diag.perf.gate.source import Repository
from tests.perf.gate.repositories import commit, git, repository


def test_no_repository_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{tmp_path} is in no git repository.*change to a checkout"):
        Repository(tmp_path)


def test_a_name_is_its_commit(tmp_path: Path) -> None:
    source = Repository(repository(tmp_path, {"a": "1"})).resolve("main")
    assert source.commit == git(tmp_path, "rev-parse", "main")
    assert (source.subject, source.changed) == ("first", 0)


@pytest.mark.parametrize("name", ["no-such", "", "--help", "main:a", "a b"])
def test_no_such_commit_is_a_sentence(tmp_path: Path, name: str) -> None:
    found = Repository(repository(tmp_path, {"a": "1"}))
    with pytest.raises(ConfigError, match="There is no commit"):
        found.resolve(name)


def test_a_clean_working_tree_is_its_commits_tree(tmp_path: Path) -> None:
    found = Repository(repository(tmp_path, {"a": "1"}))
    assert found.working_tree().tree == found.resolve("HEAD").tree
    assert found.working_tree().changed == 0


def test_a_working_tree_has_its_changed_and_new_files_and_leaves_the_index_alone(tmp_path: Path) -> None:
    found = Repository(repository(tmp_path, {"a": "1", "b": "1", ".gitignore": "ignored\n"}))
    for name in ("a", "new", "ignored"):
        (tmp_path / name).write_text("2")
    (tmp_path / "b").unlink()
    before = git(tmp_path, "status", "--porcelain")
    source = found.working_tree()
    assert git(tmp_path, "status", "--porcelain") == before
    assert source.changed == 3
    assert "3 files not committed" in source.describe()
    place = tmp_path.parent / "exported"
    place.mkdir()
    found.export(source, place)
    assert sorted(path.name for path in place.iterdir()) == [".gitignore", "a", "new"]


def test_the_base_of_a_branch_is_where_it_left_main(tmp_path: Path) -> None:
    repository(tmp_path, {"a": "1"})
    left = git(tmp_path, "rev-parse", "HEAD")
    git(tmp_path, "switch", "--quiet", "--create", "change")
    commit(tmp_path, {"a": "2"}, "second")
    commit(tmp_path, {"a": "3"}, "third")
    found = Repository(tmp_path)
    assert found.default_base(found.working_tree()).commit == left


def test_the_base_of_main_is_the_commit_before(tmp_path: Path) -> None:
    repository(tmp_path, {"a": "1"})
    before = git(tmp_path, "rev-parse", "HEAD")
    commit(tmp_path, {"a": "2"}, "second")
    found = Repository(tmp_path)
    assert found.default_base(found.working_tree()).commit == before


def test_the_base_of_changes_on_main_is_its_last_commit(tmp_path: Path) -> None:
    found = Repository(repository(tmp_path, {"a": "1"}))
    (tmp_path / "a").write_text("2")
    assert found.default_base(found.working_tree()).commit == found.resolve("HEAD").commit


def test_a_first_commit_has_no_base(tmp_path: Path) -> None:
    found = Repository(repository(tmp_path, {"a": "1"}))
    with pytest.raises(ConfigError, match="no parent"):
        found.default_base(found.working_tree())
