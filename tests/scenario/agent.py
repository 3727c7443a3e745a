"""An agent on a host of a test, driven by its commands. Its files lie below a directory of its own (`--root`).

With WARREN_BACKEND in the environment its networks name that backend: tests/qemu runs them on the kernel's WireGuard.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.cli.program import WARREN
from tests.netns.deadline import SOON_SECONDS, until
from tests.netns.host import Host
from warren._core import PrivateKey
from warren.errors import WarrenError
from warren.files.key_file import write_private_key
from warren.localapi.io.client import request
from warren.localapi.messages import DEFAULT_NETWORK

PORT = 51820
BACKEND = os.environ.get("WARREN_BACKEND", "")
LINKS_OUTLIVE = BACKEND == "kernel"  # the agent that made them, if that is killed
KEY_CHARACTERS = 44
START_SECONDS = 3 * SOON_SECONDS  # Python and all of Warren, which is what a busy machine takes longest for
OF_A_LINK = re.compile(r"\b(fe80|ff00):")


def service_user() -> str:
    """Whom an agent runs as that root has started; in a user namespace there may be nobody but root."""
    nobody = pwd.getpwnam("nobody").pw_uid
    mapped = (map(int, line.split()) for line in Path("/proc/self/uid_map").read_text().splitlines())
    return "nobody" if any(first <= nobody < first + count for first, _, count in mapped) else "root"


USER = service_user()


@contextmanager
def open_directory() -> Iterator[Path]:
    """For the files of agents, which become another user and must find them: pytest's own is closed to all others."""
    with TemporaryDirectory(prefix="warren-") as directory:
        Path(directory).chmod(0o711)
        yield Path(directory)


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer as the configuration has it."""

    name: str
    public_key: str
    allowed_ips: tuple[str, ...]
    endpoint: str = ""
    keepalive: int = 25
    lines: tuple[str, ...] = ()

    def toml(self) -> str:
        """Its table."""
        lines = [
            "[[network.peers]]",
            f'name = "{self.name}"',
            f'public_key = "{self.public_key}"',
            f"allowed_ips = {json.dumps(self.allowed_ips)}",
            f"persistent_keepalive_secs = {self.keepalive}",
            *([f'endpoint = "{self.endpoint}"'] if self.endpoint else []),
            *self.lines,
        ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Network:
    """A network as the configuration has it."""

    name: str = "default"
    interface: str = "wg0"
    address: str = ""
    port: int = PORT
    key: str = "private.key"
    peers: tuple[Peer, ...] = ()
    lines: tuple[str, ...] = ()

    def toml(self) -> str:
        """Its tables."""
        lines = [
            f"[network.{self.name}]",
            "enable_wireguard = true",
            f'interface = "{self.interface}"',
            f'private_key_path = "/etc/warren/{self.key}"',
            f"listen_port = {self.port}",
            *([f'address = "{self.address}"'] if self.address else []),
            *([f'backend = "{BACKEND}"'] if BACKEND else []),
            *self.lines,
            *(peer.toml() for peer in self.peers),
        ]
        return "\n".join(lines)

    def but(self, **values: Any) -> Network:
        """The same with other values."""
        return replace(self, **values)


@dataclass
class Agent:
    """The agent of one host; `directory` is its own."""

    host: Host
    directory: Path
    keys: dict[str, PrivateKey] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        for path in ("etc/warren", "var/lib/warren"):
            (self.directory / path).mkdir(parents=True)

    @property
    def config(self) -> Path:
        return self.directory / "etc/warren/agent.toml"

    def key(self, name: str = "private.key") -> str:
        """The public key of a key file, which is made where there is none."""
        if name not in self.keys:
            self.keys[name] = PrivateKey.generate()
            write_private_key(self.directory / "etc/warren" / name, self.keys[name], trust=None)
        return str(self.keys[name].public_key())

    def configure(self, *networks: Network, head: str = "") -> None:
        """Writes the configuration."""
        for network in networks:
            self.key(network.key)
        self.config.touch(0o600)
        self.config.write_text("\n".join((head, *(network.toml() for network in networks), "")))

    def start(self, user: str = USER) -> None:
        """As root, to become `user`, until its socket answers."""
        command = (*WARREN, "agent", "start", "--root", self.directory, "--user", user, "--verbose")
        self.process = process = self.host.start(*command, log="agent")
        until(lambda: process.poll() is not None or self.answers(), "the agent answers", START_SECONDS)
        assert process.poll() is None, self.host.log()

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command that asks the agent. Whatever it says, it says no secret."""
        done = self.host.attempt(*WARREN, *arguments, "--root", self.directory)
        said = done.stdout + done.stderr
        assert not any(key.to_base64() in said for key in self.keys.values())
        return done

    def answers(self) -> bool:
        """Whether it does, on its socket."""
        with suppress(WarrenError):
            return bool(self.look("info"))
        return False

    def look(self, action: str, network: str = DEFAULT_NETWORK) -> Any:
        """What it answers on its socket, which takes no program to be started. It says no secret there, either."""
        answer = request(self.directory / "run/warren/agent.sock", action, network, timeout=SOON_SECONDS)
        said = json.dumps(answer)
        assert not any(key.to_base64() in said for key in self.keys.values())
        return answer

    def ended(self) -> int:
        """Waits until it has; its exit status, negative for a signal."""
        assert self.process is not None
        return self.process.wait(SOON_SECONDS)

    def ask(self, *arguments: str) -> Any:
        """What a command answers with --json; it must end well."""
        done = self.attempt(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def reload(self) -> None:
        """`warren agent reload`; it must be taken."""
        done = self.attempt("agent", "reload")
        assert done.returncode == 0, done.stderr

    def network(self, name: str = "default") -> dict[str, Any]:
        """What `warren list` shows of one network."""
        found: dict[str, Any] = next(each for each in self.look("list")["networks"] if each["network"] == name)
        return found

    def peers(self, name: str = "default") -> dict[str, Any]:
        """What `warren peers` shows, by the peers' names."""
        return {peer["name"]: peer for peer in self.look("peers", name)["peers"]}

    def until_state(self, state: str, name: str = "default") -> None:
        """Waits for it."""
        until(lambda: self.network(name)["state"] == state, f"{name} is {state}")

    def said(self, event: str) -> list[dict[str, Any]]:
        """The lines of its log with this event."""
        lines = (line for line in self.host.log().splitlines() if line.startswith("{"))
        return [line for line in map(json.loads, lines) if line["event"] == event]

    def expect_no_secret_in_its_log(self) -> None:
        """Whatever happened, at any level: no key that it was given or has made (row H-79)."""
        files = (path for path in (self.directory / "etc/warren").glob("*key*") if path.is_file())
        made = [text for path in files if len(text := path.read_text().strip()) == KEY_CHARACTERS]
        assert not [key for key in made if key in self.host.log()]

    def pid(self) -> int:
        """In the host's own counting."""
        found: int = self.look("info")["pid"]
        return found

    def traces(self) -> tuple[list[str], ...]:
        """What an agent may leave on its host: links, routes, rules. The kernel's own link-local ones come and go."""
        commands = (
            ["route", "show", "table", "all"],
            ["-6", "route", "show", "table", "all"],
            ["rule"],
            ["-6", "rule"],
        )
        shown = (
            [line for line in self.host.ip(*words).splitlines() if not OF_A_LINK.search(line)] for words in commands
        )
        return (self.host.links(), *shown)
