"""An agent on a host of a bench: its files, its start, and its socket, asked without a command between."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import process
from failure import BenchError
from host import Host, until

USER = "nobody"  # whom the agent runs as, which root has started
COMMAND = (sys.executable, "-m", "warren.cli.main", "agent", "start", "--user", USER, "--root")
ANSWER_SECONDS = 30.0
GLANCE_SECONDS = 0.001


class Daemon:
    """The agent of one host, below a directory of its own."""

    def __init__(self, host: Host, root: Path) -> None:
        self._host, self._root = host, root
        root.parent.chmod(0o711)  # the agent becomes another user, who must find its files
        self.socket = root / "run/warren/agent.sock"
        for path in ("etc/warren", "var/lib/warren"):
            (root / path).mkdir(parents=True)
        root.parent.chmod(0o711)  # its user must find its files

    def key(self, private: str, name: str = "private.key") -> None:
        """A key file."""
        path = self._root / "etc/warren" / name
        path.touch(0o600)
        path.write_text(f"{private}\n")

    def configure(self, text: str) -> None:
        """The whole configuration."""
        path = self._root / "etc/warren/agent.toml"
        path.touch(0o600)
        path.write_text(text)

    def start(self, networks: int) -> float:
        """Seconds from its start until its socket answers and so many networks are active."""
        begin = time.perf_counter()
        self._started = self._host.start(*COMMAND, self._root)
        while sum(each["state"] == "active" for each in self._networks()) < networks:
            if self._started.poll() is not None:
                raise BenchError(f"the agent ended with {self._started.returncode}: {self._last_words()}")
            if time.perf_counter() - begin > ANSWER_SECONDS:
                raise BenchError(f"the agent has not brought its networks up: {self._last_words()}")
            time.sleep(GLANCE_SECONDS)
        return time.perf_counter() - begin

    @property
    def pid(self) -> int:
        """Of the agent, not of what started it."""
        found = process.child_of(self._started.pid)
        if found is None:
            raise BenchError("the agent has ended")
        return found

    def ask(self, action: str, network: str = "default", config: Mapping[str, object] | None = None) -> Any:
        """The data of an answer."""
        request = {"id": "1", "action": action, "network": network} | ({"config": config} if config else {})
        asked = json.dumps(request) + "\n"
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(str(self.socket))
            connection.sendall(asked.encode())
            with connection.makefile() as lines:
                answer = json.loads(lines.readline())
        if not answer["success"]:
            raise BenchError(f"{action}: {answer['error']['message']}")
        return answer["data"]

    def timed(self, action: str, network: str = "default", config: Mapping[str, object] | None = None) -> float:
        """Seconds that an answer takes."""
        begin = time.perf_counter()
        self.ask(action, network, config)
        return time.perf_counter() - begin

    def stop(self) -> None:
        """Until it has gone, with all that it made."""
        self.ask("stop")
        until(lambda: self._started.poll() is not None, "the agent has ended")

    def _networks(self) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = self.ask("list")["networks"]
        except OSError:
            return []
        return found

    def _last_words(self) -> str:
        return (self._host.log.read_text(errors="replace").strip() or "it said nothing").splitlines()[-1]
