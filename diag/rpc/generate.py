"""``python -m diag.rpc.generate``: the gRPC stubs, from the .proto files of this package and of replication.

The .proto files are mapped onto the package the stubs live in, so that the
generated imports are absolute, and so that the names under which the process
registers them cannot clash with another library's ``meta.proto``.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("diag/rpc", "diag/replication")


def generate(root: Path) -> None:
    """Write the stubs under ``root``; raises RuntimeError when a .proto file is wrong."""
    for part in PARTS:
        _generate(root, ROOT / part / "proto", f"{part}/stubs")
    (root / "diag/rpc/stubs/auth_pb2_grpc.py").unlink()  # no service in it


def _generate(root: Path, protos: Path, package: str) -> None:
    from grpc_tools import protoc  # type: ignore[import-untyped]  # absent from an installed service

    (root / package).mkdir(parents=True, exist_ok=True)
    names = [f"{package}/{proto.name}" for proto in sorted(protos.glob("*.proto"))]
    out = [f"--{kind}={root}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    arguments = ["protoc", f"-I{package}={protos}", *out, *names]
    if protoc.main(arguments) != 0:
        raise RuntimeError("the .proto files do not compile; protoc said why above")


if __name__ == "__main__":
    generate(ROOT)
    sys.stdout.write(f"wrote the stubs of {' and '.join(PARTS)}\n")
