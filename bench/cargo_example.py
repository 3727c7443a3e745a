"""Examples of our crates that measure by themselves, built and run by cargo."""

from __future__ import annotations

import subprocess

from engines import TREE
from failure import BenchError

BUILD_AND_RUN_SECONDS = 1800


def run_example(manifest: str, *arguments: str) -> str:
    """Return what an example prints that cargo runs by a manifest below the tree. Raises BenchError."""
    command = ["cargo", "run", "--quiet", "--release", "--locked", "--manifest-path", str(TREE / manifest), *arguments]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=BUILD_AND_RUN_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchError(f"{' '.join(command)}: {error}") from None
    return done.stdout
