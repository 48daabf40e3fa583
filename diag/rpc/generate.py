"""``python -m diag.rpc.generate``: the gRPC stubs, from the .proto files beside this module.

The .proto files are mapped onto the package the stubs live in, so that the
generated imports are absolute, and so that the names under which the process
registers them cannot clash with another library's ``meta.proto``.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = "diag/rpc/stubs"


def generate(root: Path) -> None:
    """Write the stubs under ``root``/diag/rpc/stubs; raises RuntimeError when a .proto file is wrong."""
    from grpc_tools import protoc  # type: ignore[import-untyped]  # absent from an installed service

    (root / PACKAGE).mkdir(parents=True, exist_ok=True)
    names = [f"{PACKAGE}/{proto.name}" for proto in sorted((HERE / "proto").glob("*.proto"))]
    out = [f"--{kind}={root}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    arguments = ["protoc", f"-I{PACKAGE}={HERE / 'proto'}", *out, *names]
    if protoc.main(arguments) != 0:
        raise RuntimeError("the .proto files do not compile; protoc said why above")
    (root / PACKAGE / "auth_pb2_grpc.py").unlink()  # no service in it


if __name__ == "__main__":
    generate(HERE.parents[1])
    sys.stdout.write(f"wrote {PACKAGE}\n")
