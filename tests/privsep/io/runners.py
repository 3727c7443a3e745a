"""A runner on a node of a test: its settings, and messages to it as an agent sends them."""

from __future__ import annotations

import socket
from pathlib import Path

from warren.commands.settings import CommandSettings, SecuritySettings
from warren.privsep.runner_protocol import Message, encode_message, parse_message
from warren.trust.io.identity_file import make_identity

SERVICE = 4711  # the user of the agent
MAX_LINE = 16 << 20


def runner_settings(root: Path) -> CommandSettings:
    """Of a node that has an identity and no bundle: each command is rejected."""
    identity, runner = root / "identity", root / "runner"
    make_identity(identity, "gateway-001", (SERVICE, SERVICE))
    runner.mkdir(mode=0o700)
    security = SecuritySettings(str(identity / "trust.jws"), str(identity), exec_enable=True)
    return CommandSettings(security, str(root / "audit"), str(root / "commands"), runner=str(runner))


class Line:
    """The agent's end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.settimeout(60)
        self._reader = connection.makefile("rb")

    def send(self, message: Message | bytes) -> None:
        """Write a message, or whatever a taken-over agent writes."""
        self.connection.sendall(message if isinstance(message, bytes) else encode_message(message))

    def receive(self) -> Message | None:
        """Return the next message; None if the runner has closed the connection."""
        try:
            line = self._reader.readline(MAX_LINE)
        except ConnectionError:
            return None
        return parse_message(line) if line else None

    def close(self) -> None:
        """Hang up."""
        self._reader.close()
        self.connection.close()
