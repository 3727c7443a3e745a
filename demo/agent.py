"""The agent of a host: its files, its start and its end."""

from __future__ import annotations

import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.failure import StageError
from demo.host import PROGRAM_SECONDS, Host, run
from demo.tunnel import FILES

PATIENCE_SECONDS = 20
GLANCE_SECONDS = 0.1


def service_user() -> str:
    """Whom an agent becomes that root has started; in an enclosure without other users it stays root."""
    nobody = pwd.getpwnam("nobody").pw_uid
    mapped = (map(int, line.split()) for line in Path("/proc/self/uid_map").read_text().splitlines())
    return "nobody" if any(first <= nobody < first + count for first, _, count in mapped) else "root"


@dataclass(frozen=True, slots=True)
class Agent:
    """Everything of it lies below a directory of its own, as `--root` has it."""

    host: Host
    name: str = ""
    """Of one beside the host's own."""

    @property
    def root(self) -> Path:
        """That directory."""
        return FILES / (self.name or self.host.name)

    def warren(self, *words: str, status: int = 0) -> str:
        """What a command that asks it prints."""
        return self.host.run("warren", *words, "--root", str(self.root), status=status)

    def public_key(self, network: str) -> str:
        """Of a network; its private key is made where there is none."""
        file = self.root / f"etc/warren/{network}.key"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            self.host.run("warren", "genkey", "--output", str(file))
        return run("warren", "pubkey", stdin=file.read_text()).strip()

    def configure(self, text: str) -> None:
        """Its whole configuration."""
        file = self.root / "etc/warren/agent.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(text)

    @contextmanager
    def running(self, networks: int) -> Iterator[None]:
        """Started until it answers and so many networks are up, and told to stop at the end."""
        for place in ("run/warren", "var/lib/warren"):
            (self.root / place).mkdir(parents=True, exist_ok=True)
        words = self.host.command("warren", "agent", "start", "--user", service_user(), "--root", str(self.root))
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
            try:
                self._wait(process, networks)
                yield
                self.warren("agent", "stop")
            finally:
                process.terminate()
                process.communicate(timeout=PROGRAM_SECONDS)

    def _wait(self, process: subprocess.Popen[str], networks: int) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while self._active() < networks:
            if process.poll() is not None:
                said = (process.communicate()[1].strip() or "it said nothing").splitlines()[-1]
                raise StageError(f"the agent on {self.host.name} ended: {said}")
            if time.monotonic() > end:
                raise StageError(f"after {PATIENCE_SECONDS} s the networks of {self.host.name} are not up")
            time.sleep(GLANCE_SECONDS)

    def _active(self) -> int:
        """How many are up; less than none where nobody answers."""
        try:
            return self.warren("list").count(" active ")
        except StageError:  # its socket is not there yet
            return -1
