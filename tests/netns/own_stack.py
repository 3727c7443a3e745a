"""A device whose inner side is the own network stack, as a program (rust/crates/netstack/examples/stack.rs)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from .engine import BUILD_SECONDS, TREE, Engine
from .host import Host
from .interface import Interface


@cache
def program() -> Path:
    """Return $WARREN_STACK, or the program that cargo builds."""
    if named := os.environ.get("WARREN_STACK"):
        return Path(named)
    command = ["cargo", "build", "--quiet", "--locked", "--package", "warren-netstack", "--example", "stack"]
    command += ["--manifest-path", str(TREE / "rust/Cargo.toml"), "--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=BUILD_SECONDS, check=True)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    return next(Path(message["executable"]) for message in messages if message.get("executable"))


class StackInterface(Interface):
    """A running stack, with the arguments `KEY=VALUE` of the program. It has no link."""

    def __init__(self, host: Host, *arguments: str, wrapper: Sequence[str] = ()) -> None:
        self._arguments, self._wrapper = arguments, wrapper
        super().__init__(host, Engine("stack", program()))

    def command(self) -> list[str | Path]:
        """Return the command line."""
        return [*self._wrapper, self.engine.program, f"name={self.name}", *self._arguments]
