"""The build backend: maturin, with the workspace's own binaries put into the wheel.

maturin builds one crate per wheel. The programs that stand beside the extension are built first and handed to it as
data scripts, so that `pip install .`, `pip install -e .` and a built wheel all end with them on the environment's path.
`warren` itself is one of them: a script of Python's could not carry capabilities.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import maturin
from maturin import (
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).resolve().parent.parent
# What each crate makes, and the names that it is installed by; the first is the program's own.
BINARIES: Mapping[str, tuple[str, ...]] = {
    "warren-launcher": ("warren", "harmony-agent"),
    "warren-sandbox": ("warren-sandbox",),
    "warren-wgd": ("warren-wg",),
}
SCRIPTS = ROOT / "build" / "warren.data" / "scripts"
SCRIPTS.mkdir(parents=True, exist_ok=True)  # while it is absent maturin refuses every hook, metadata too


def build_wheel(
    wheel_directory: str,
    config_settings: Mapping[str, object] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Build the binaries, then the wheel that carries them (PEP 517)."""
    build_binaries()
    return str(maturin.build_wheel(wheel_directory, config_settings, metadata_directory))


def build_editable(
    wheel_directory: str,
    config_settings: Mapping[str, object] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Build the binaries, then the extension into `src/` and a wheel that points there (PEP 660)."""
    build_binaries()
    return str(maturin.build_editable(wheel_directory, config_settings, metadata_directory))


def build_binaries() -> None:
    """Build every program of `BINARIES` in release mode into the directory that maturin copies from."""
    shutil.rmtree(SCRIPTS)
    SCRIPTS.mkdir()
    for crate, names in BINARIES.items():
        built = _build(crate, names[0])
        for name in names:
            shutil.copy2(built, SCRIPTS / name)


def _build(crate: str, program: str) -> Path:
    command = ["cargo", "build", "--release", "--locked", "--package", crate, "--bin", program]
    command += ["--manifest-path", str(ROOT / "rust" / "Cargo.toml"), "--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    for line in done.stdout.splitlines():
        executable = json.loads(line).get("executable")
        if executable and Path(executable).stem == program:
            return Path(executable)
    message = f"cargo built {crate} without making {program}"
    raise RuntimeError(message)
