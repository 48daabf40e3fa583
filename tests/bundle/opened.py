"""A bundle as who receives it opens it: all files by name, and the index."""

import io
import json
import tarfile
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Opened:
    """Names are below the archive's directory."""

    files: dict[str, bytes]
    index: dict[str, Any]

    def entry(self, item: str, node: int | None = None) -> dict[str, Any]:
        """What the index says of an item."""
        (found,) = [one for one in self.index["items"] if (one["item"], one["node"]) == (item, node)]
        assert isinstance(found, dict)
        return found


def opened(content: bytes) -> Opened:
    """Checked to be safe to unpack: unique names, files only, all below one directory."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        members = tar.getmembers()
        names = [member.name for member in members]
        assert len(names) == len(set(names))
        assert all(member.isreg() for member in members)
        assert not any(name.startswith("/") or ".." in name.split("/") for name in names)
        (root,) = {name.partition("/")[0] for name in names}
        files = {}
        for member in members:
            file = tar.extractfile(member)
            assert file is not None
            files[member.name.removeprefix(f"{root}/")] = file.read()
    index = json.loads(files.pop("index.json"))
    assert sorted(entry["name"] for entry in index["items"] if entry["name"]) == sorted(files)
    return Opened(files, index)
