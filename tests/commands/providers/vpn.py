"""A real OpenVPN server and its clients, each on a host of its own; the node that makes users is this process.

near: server 10.8.0.1, 192.0.2.1 ─── cable ─── far: clients, 192.0.2.2
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import warren
from tests.commands.commands import settings
from tests.commands.providers.performing import Node
from tests.netns.deadline import until
from tests.netns.host import Host
from warren.commands.settings import OpenVpnSettings, PanelSettings, ServiceSettings

INSIDE = "10.8.0.1"
PASSWORD = "pässword & $(id)"  # noqa: S105, of a test
SOURCES = Path(warren.__file__).parent.parent
PROGRAM = ("/usr/bin/env", f"PYTHONPATH={SOURCES}", sys.executable, "-m", "warren.cli.main")
SERVER = """
dev tun0
topology subnet
server 10.8.0.0 255.255.255.0
proto udp4
port 1194
keepalive 1 5
verb 3
"""


class Server:
    """OpenVPN on a host, with the lines that `warren openvpn init` prints."""

    def __init__(self, host: Host, directory: Path) -> None:
        self.host = host
        self.directory = directory
        self.management = directory / "management.sock"
        openvpn = OpenVpnSettings(str(directory), str(self.management), "192.0.2.1 1194 udp")
        self.node = Node(replace(settings(), services=ServiceSettings(openvpn=openvpn, panel=PanelSettings(None, 4))))

    def start(self) -> None:
        """Until clients may come."""
        done = subprocess.run([*PROGRAM, "openvpn", "init", self.directory], capture_output=True, text=True, check=True)
        lines = re.sub(r'verify "\S+', f'verify "{" ".join(PROGRAM)}', done.stdout)
        lines = lines.replace("/run/openvpn/management.sock", str(self.management))
        conf = self.directory / "server.conf"
        conf.write_text(SERVER + lines)
        self.host.start("openvpn", "--config", conf)
        until(lambda: "Initialization Sequence Completed" in self.host.log(), "the server is up")


class Client:
    """A user's OpenVPN, with a copy of the profile that there is when it is made."""

    def __init__(self, host: Host, server: Server, username: str, login: tuple[str, str] | None = None) -> None:
        self.host = host
        self._profile = server.directory / "copy.ovpn"
        self._profile.write_bytes((server.directory / "users" / f"{username}.ovpn").read_bytes())
        self._login = server.directory / "login"
        self._login.write_text("\n".join(login or (username, PASSWORD)))

    def start(self) -> None:
        """It tries, and tries again."""
        words: list[str | Path] = [
            "--auth-user-pass",
            self._login,
            "--auth-retry",
            "nointeract",
            "--connect-retry",
            "1",
            "1",
        ]
        self.host.start("openvpn", "--config", self._profile, *words)

    def stop(self) -> None:
        """And waits."""
        for pid in self.host.processes("openvpn"):
            self.host.kill(pid, "TERM")
        until(lambda: not self.host.processes("openvpn"), "the client has ended")

    def reaches(self) -> bool:
        """Whether the server answers inside the tunnel."""
        return self.host.attempt("ping", "-c1", "-W1", INSIDE).returncode == 0


def entry_of(server: Server, username: str) -> dict[str, object]:
    """What the node knows of a user."""
    found: dict[str, object] = json.loads((server.directory / "access" / f"{username}.json").read_text())
    return found


def refusals(server: Server) -> list[str]:
    """Why the verify program refused, in order."""
    return re.findall(r"login refused: (.*)", server.host.log())
