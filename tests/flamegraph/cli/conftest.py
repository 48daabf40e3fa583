from pathlib import Path

import pytest


@pytest.fixture
def folded(tmp_path: Path) -> Path:
    path = tmp_path / "in.folded"
    path.write_bytes(b"main;work 3\nmain 1\n")
    return path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    base, new = tmp_path / "base.folded", tmp_path / "new.folded"
    base.write_bytes(b"main;read 600\nmain;write 400\n")
    new.write_bytes(b"main;read 600\nmain;write 1200\n")
    return str(base), str(new)
