"""Makes the code of the gateway's gRPC protocol from its `synapse.proto`, or says what of it is not up to date.

uv run python tests/contracts/proto.py            what differs from the proto; exit status 1 if anything does
uv run python tests/contracts/proto.py --write    make it anew
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

SRC = Path(__file__).resolve().parents[2] / "src"
PROTO = SRC / "axon" / "gateway" / "grpc" / "synapse.proto"
MADE = ("synapse_pb2.py", "synapse_pb2.pyi", "synapse_pb2_grpc.py", "synapse_pb2_grpc.pyi")


def made(home: Path) -> dict[str, str]:
    """The code of the proto, made in the folder `home`, by the names of the files."""
    outputs = [f"--{kind}_out={home}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    outputs.append("--mypy_grpc_opt=only_async")  # the types of both at once are not complete
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{SRC}", *outputs, str(PROTO)]
    plugins = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ.get('PATH', '')}"
    subprocess.run(command, env={**os.environ, "PATH": plugins}, capture_output=True, text=True, check=True)
    folder = home / PROTO.parent.relative_to(SRC)
    return {name: (folder / name).read_text(encoding="utf-8") for name in MADE}


def stale() -> list[str]:
    """The files that are not what the proto says."""
    with tempfile.TemporaryDirectory() as home:
        return [
            name
            for name, text in made(Path(home)).items()
            if not (PROTO.parent / name).exists() or (PROTO.parent / name).read_text(encoding="utf-8") != text
        ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="make it anew")
    if parser.parse_args().write:
        made(SRC)
    found = stale()
    print("\n".join(f"{name} is not what {PROTO.name} says" for name in found), end="\n" if found else "")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
