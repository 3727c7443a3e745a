"""Programs of our crates, built in release mode by cargo."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path

from engines import TREE
from failure import BenchError

BUILD_SECONDS = 1800


@cache
def build(package: str, *selection: str) -> Path:
    """Return the program of a package, or the example that `selection` names to cargo. Raises BenchError."""
    command = ["cargo", "build", "--release", "--locked", "--package", package, *selection]
    command += ["--manifest-path", str(TREE / "rust/Cargo.toml"), "--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=BUILD_SECONDS, check=False)
    made = [executable for line in done.stdout.splitlines() if (executable := json.loads(line).get("executable"))]
    if done.returncode != 0 or not made:
        raise BenchError(f"cargo could not build {' '.join([package, *selection])}")
    return Path(made[-1])
