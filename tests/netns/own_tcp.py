"""The program that puts one connection of the crate `tcp` behind a TUN (rust/crates/tcp/examples/tun.rs)."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Self

from .engine import BUILD_SECONDS, TREE
from .tun import Tun


@cache
def program() -> Path:
    """Return $WARREN_TCP_TUN, or the program that cargo builds."""
    if named := os.environ.get("WARREN_TCP_TUN"):
        return Path(named)
    command = ["cargo", "build", "--quiet", "--locked", "--package", "warren-tcp", "--example", "tun"]
    command += ["--manifest-path", str(TREE / "rust/Cargo.toml"), "--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=BUILD_SECONDS, check=True)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    return next(Path(message["executable"]) for message in messages if message.get("executable"))


class OwnTcp:
    """A running program. Leaving the context ends it."""

    def __init__(self, tun: Tun, directory: Path, sent: bytes = b"", **arguments: object) -> None:
        self._sending, self._received = directory / "own-sent", directory / "own-received"
        self._sending.write_bytes(sent)
        words = {"send": self._sending, "receive": self._received, **arguments}
        self._process = subprocess.Popen(
            [program(), *(f"{key}={value}" for key, value in words.items())],
            stdin=tun.fileno(),
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def report(self, seconds: float) -> dict[str, Any]:
        """Wait until the connection has ended, and return what the program prints."""
        out, _ = self._process.communicate(timeout=seconds)
        report: dict[str, Any] = json.loads(out)
        assert self._process.returncode == 0, f"the connection did not end: {report}"
        return report

    @property
    def received(self) -> bytes:
        """What it has received."""
        return self._received.read_bytes()
