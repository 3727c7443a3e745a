"""The agent of a host: its files, its start and its stop."""

from __future__ import annotations

import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.failure import StageError
from demo.host import PROGRAM_TIMEOUT_SECONDS, Host, run
from demo.tunnel import FILES

START_TIMEOUT_SECONDS = 20
POLL_INTERVAL_SECONDS = 0.1


def service_user() -> str:
    """Return the user that an agent of root drops to: root itself in a user namespace without other users."""
    nobody = pwd.getpwnam("nobody").pw_uid
    mapped = (map(int, line.split()) for line in Path("/proc/self/uid_map").read_text().splitlines())
    return "nobody" if any(first <= nobody < first + count for first, _, count in mapped) else "root"


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent with all its files below one directory, set with `--root`."""

    host: Host
    name: str = ""
    """Set for a second agent on the same host."""
    wrapper: tuple[str, ...] = ()
    """Set to start the agent through another program, such as setpriv(1)."""
    user: str = ""
    """Set for another user than that of the service."""

    @property
    def root(self) -> Path:
        """Return the directory of its files."""
        return FILES / (self.name or self.host.name)

    def warren(self, *words: str, status: int = 0) -> str:
        """Run a command against this agent and return its output."""
        return self.host.run("warren", *words, "--root", str(self.root), status=status)

    def public_key(self, network: str) -> str:
        """Return the public key of a network, and create its private key if it is missing."""
        file = self.root / f"etc/warren/{network}.key"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            self.host.run("warren", "genkey", "--output", str(file))
        return run("warren", "pubkey", stdin=file.read_text()).strip()

    def configure(self, text: str) -> None:
        """Write the configuration file."""
        file = self.root / "etc/warren/agent.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(text)

    @contextmanager
    def running(self, networks: int) -> Iterator[None]:
        """Run the agent during the block, which starts when this number of networks is up."""
        words = self.host.command(
            *self.wrapper, "warren", "agent", "start", "--user", self.user or service_user(), "--root", str(self.root)
        )
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
            try:
                self._wait(process, networks)
                yield
                self.warren("agent", "stop")
            finally:
                process.terminate()
                process.communicate(timeout=PROGRAM_TIMEOUT_SECONDS)

    def _wait(self, process: subprocess.Popen[str], networks: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while self._active_networks() < networks:
            if process.poll() is not None:
                output = (process.communicate()[1].strip() or "no output").splitlines()[-1]
                raise StageError(f"the agent on {self.host.name} exited: {output}")
            if time.monotonic() > deadline:
                raise StageError(f"the networks of {self.host.name} are not up after {START_TIMEOUT_SECONDS} s")
            time.sleep(POLL_INTERVAL_SECONDS)

    def _active_networks(self) -> int:
        """Return the number of active networks, or -1 if the agent does not answer."""
        try:
            return self.warren("list").count(" active ")
        except StageError:  # its socket does not exist yet
            return -1
