"""Generates the code of the contract when the package is built; everything else is in pyproject.toml.

The contract is laneway's own file, which the sources of this package do not repeat: a source distribution brings a copy
along, a checkout has it in its folder `proto`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
PROTO = Path("laneway/worker/v1/worker.proto")
PACKAGE = Path("laneway_worker/_contract")


def proto_folder() -> Path:
    """The folder that the contract's path begins in."""
    for folder in (HERE / "proto", HERE.parent.parent / "proto"):
        if (folder / PROTO).is_file():
            return folder
    raise FileNotFoundError(f"{PROTO} is neither beside setup.py nor in the checkout's folder proto")


def generate(into: Path) -> None:
    """Writes the messages of the contract and their types; the services are two paths, which need no code."""
    with tempfile.TemporaryDirectory() as folder:
        options = [f"-I{proto_folder()}", f"--python_out={folder}", f"--pyi_out={folder}"]
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, str(PROTO)], check=True)
        into.mkdir(parents=True, exist_ok=True)
        for written in Path(folder).rglob("worker_pb2.*"):
            shutil.copyfile(written, into / written.name)


class BuildPy(build_py):
    """The ordinary step, and the generated code: in the package's sources where the installation is editable."""

    def run(self) -> None:
        generate(HERE / "src" / PACKAGE if self.editable_mode else Path(self.build_lib) / PACKAGE)
        super().run()


class Sdist(sdist):
    """The ordinary step, with a copy of the contract."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        copy = Path(base_dir) / "proto" / PROTO
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(proto_folder() / PROTO, copy)


setup(cmdclass={"build_py": BuildPy, "sdist": Sdist})
