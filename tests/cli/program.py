"""Run the command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

WARREN = (sys.executable, "-m", "warren.cli.main")
TIMEOUT_SECONDS = 120


def warren(*arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command and wait for it."""
    return subprocess.run(
        [*WARREN, *arguments],
        input=stdin,
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of sh in which `warren` is this program, for redirections and pipes."""
    function = f'warren() {{ {" ".join(WARREN)} "$@"; }}\n'
    return subprocess.run(
        ["sh", "-c", function + line], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
