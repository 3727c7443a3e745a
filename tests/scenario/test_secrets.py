"""No private or preshared key leaves an agent by any way out that is not made for it (H-79).

One life of an agent, with everything that it and its commands say kept: standard output and error of each command, the
log at its finest level, answers of the control socket and of the local HTTP, and the arguments and environment of every
process of the host at every moment. At the end each of them is searched for each key, in each form of `tests.secrets`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Self

import pytest

from tests.cli.program import WARREN
from tests.netns.host import IN_NAMESPACES, Host
from tests.netns.pair import FAR_INNER, NEAR_INNER
from tests.secrets import forms, octets
from warren._core import PresharedKey, PrivateKey
from warren.files.key_file import read_private_key, write_preshared_key

from .agent import Agent, Network
from .conftest import network_to

pytestmark = [*IN_NAMESPACES, pytest.mark.security, pytest.mark.needs("socat", "curl")]
PSK = "peer.psk"
BETWEEN_LOOKS = 0.05
SHOWING = ("status", "list", "peers", "info", "validate", "config show", "doctor")


class Processes:
    """Arguments and environments of all processes of a host, as long as this is open."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.seen: set[bytes] = set()
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._enough.wait(BETWEEN_LOOKS):
            for process in self.host.path("/proc").glob("[0-9]*"):
                self.seen.update(self._words(process))

    @staticmethod
    def _words(process: Path) -> Iterator[bytes]:
        try:
            yield (process / "cmdline").read_bytes()
            yield (process / "environ").read_bytes()
        except OSError:
            return  # it ended meanwhile


@dataclass
class Life:
    """What was said so far, by where it was said, and what must not have been."""

    agent: Agent
    said: dict[str, bytes] = field(default_factory=dict)
    secrets: dict[str, bytes] = field(default_factory=dict)

    def attempt(self, *words: str | Path, stdin: str = "") -> CompletedProcess[str]:
        """A program of the host, to its end."""
        done = self.agent.host.attempt(*words, stdin=stdin)
        self.said[f"{len(self.said)}: {' '.join(map(str, words[-4:]))}"] = (done.stdout + done.stderr).encode()
        return done

    def warren(self, *words: str | Path, status: int | None = 0) -> str:
        """A command, which must end so; what it wrote."""
        done = self.attempt(*WARREN, *words, "--root", self.agent.directory)
        assert status in (None, done.returncode), (words, done.stderr, done.stdout)
        return done.stdout + done.stderr

    def ask(self, request: str) -> str:
        """A request as it stands, to the control socket."""
        socket = self.agent.directory / "run/warren/agent.sock"
        return self.attempt("socat", "-", f"UNIX-CONNECT:{socket}", stdin=request).stdout

    def get(self, path: str, *settings: str) -> str:
        """An answer of the local HTTP; the request is no argument of a process."""
        lines = (f'url = "http://localhost:9090{path}"', *settings)
        return self.attempt("curl", "-s", "-i", "-K", "-", stdin="\n".join(lines)).stdout

    def keep(self, name: str, key: PrivateKey | PresharedKey) -> str:
        """One more secret; its text."""
        self.secrets[name] = octets(key)
        return key.to_base64()

    def leaks(self) -> list[str]:
        """Who said which secret."""
        wanted = forms(self.secrets)
        return [
            f"{where}: {name}" for where, text in self.said.items() for name, form in wanted.items() if form in text
        ]


@pytest.fixture
def life(two: tuple[Agent, Agent]) -> Life:
    """Of `near`, whose peer shares a key with it. Nothing runs yet."""
    near, far = two
    life, psk = Life(near), PresharedKey.generate()
    life.keep("preshared key", psk)
    for here, there, own, inner in ((near, far, NEAR_INNER[0], FAR_INNER[0]), (far, near, FAR_INNER[0], NEAR_INNER[0])):
        write_preshared_key(here.directory / "etc/warren" / PSK, psk, trust=None)
        here.configure(shared(there, own, inner))
    life.keep("private key", near.keys["private.key"])
    life.keep("private key of the peer", far.keys["private.key"])
    far.start()
    return life


def shared(there: Agent, own: str, inner: str, *lines: str) -> Network:
    """The network of one of two, with the key that they share."""
    network = network_to(there, own, inner)
    psk = f'preshared_key_path = "/etc/warren/{PSK}"'
    return network.but(peers=tuple(replace(peer, lines=(psk,)) for peer in network.peers), lines=lines)


def test_no_way_out_says_a_key(life: Life, two: tuple[Agent, Agent]) -> None:
    near, far = two
    with Processes(near.host) as processes:
        near.start()
        near.until_state("active")
        assert near.host.attempt("ping", "-c1", "-W10", FAR_INNER[0]).returncode == 0
        look(life)
        near.configure(shared(far, NEAR_INNER[0], FAR_INNER[0], "mtu = 1300"))
        life.warren("agent", "reload")
        rotate(life)
        import_wgquick(life)
        misconfigure(life)
        misuse(life)
        life.warren("disconnect", "default")
        life.warren("connect", "default")
        look(life)
        near.host.kill(near.pid(), "KILL")
        near.start()
        near.until_state("active")
        life.warren("agent", "stop")
    life.said["arguments and environments"] = b"\n".join(processes.seen)
    life.said["log"] = near.host.log().encode()
    assert b"agent.ready" in life.said["log"]
    assert b'"level":"debug"' in life.said["log"]
    assert b"rotate-keys" in life.said["arguments and environments"]
    assert len(life.secrets) == 8
    assert life.leaks() == []


def look(life: Life) -> None:
    """All that shows something."""
    for command in SHOWING:
        life.warren(*command.split(), status=None)
    for command in ("status", "list", "peers", "doctor"):
        life.warren(command, "--json", status=None)
    token = (life.agent.directory / "var/lib/warren/http/token").read_text().strip()
    for path in ("/healthz", "/health", "/metrics"):
        assert " 200 " in life.get(path)
    for path in ("/peers", "/info"):
        assert " 200 " in life.get(path, bearer(token))
    assert " 403 " in life.get("/reload", bearer(token), 'request = "POST"')
    admin_token = (life.agent.directory / "var/lib/warren/http/admin-token").read_text().strip()
    assert " 200 " in life.get("/reload", bearer(admin_token), 'request = "POST"')


def bearer(token: str) -> str:
    """The setting of curl that shows it."""
    return f'header = "Authorization: Bearer {token}"'


def rotate(life: Life) -> None:
    """Each step, and each that cannot be."""
    key_file = life.agent.directory / "etc/warren/private.key"
    life.warren("rotate-keys")
    life.keep("prepared key", read_private_key(key_file.with_name("private.key.next")))
    life.warren("rotate-keys", "--commit")
    life.warren("rotate-keys", "--abort")
    life.warren("rotate-keys", "--commit", status=1)
    life.warren("rotate-keys", "--abort", status=1)


def import_wgquick(life: Life) -> None:
    """Keys go to files of their own; a file that holds none is refused, and so is a second import."""
    key, psk = PrivateKey.generate(), PresharedKey.generate()
    private, preshared = life.keep("imported key", key), life.keep("imported preshared key", psk)
    public = PrivateKey.generate().public_key()
    text = f"[Interface]\nPrivateKey = {private}\n[Peer]\nPublicKey = {public}\nPresharedKey = {preshared}\n"
    conf = life.agent.directory / "wg9.conf"
    conf.touch(0o600)
    conf.write_text(text)
    life.warren("config", "import", conf, "--network", "home")
    assert read_private_key(life.agent.directory / "etc/warren/home.key") == key
    life.warren("config", "import", conf, "--network", "home", status=1)
    misplaced = text.replace("PrivateKey", "Address").replace("PresharedKey", "Endpoint")
    misspelt, in_one_line = text.replace("PrivateKey", "PrivatKey"), text.replace("]\n", "] ")
    for wrong in (text.replace(private, f"{private}A"), misplaced, misspelt, in_one_line, f"{text}{preshared}\n"):
        conf.write_text(wrong)
        life.warren("config", "import", conf, "--network", "other", status=1)
        life.attempt(*WARREN, "up", conf)


def misconfigure(life: Life) -> None:
    """A key in each place of the file where a person may put one is refused, is not repeated, and changes nothing."""
    agent, key = life.agent, life.keep("inline key", PrivateKey.generate())
    good = agent.config.read_text()
    path = 'private_key_path = "/etc/warren/private.key"'
    for wrong in (
        good.replace(path, f'private_key = "{key}"'),
        good.replace(path, f'{path}\nprivate_key = "{key}"'),
        good.replace(path, f'private_key_path = "{key}"'),
        good.replace(f'"/etc/warren/{PSK}"', f'"{key}"'),
        good.replace("preshared_key_path", "preshared_key").replace(f"/etc/warren/{PSK}", key),
        good.replace(path, f"private_key = {key}"),
        good.replace("listen_port = 51820", f'listen_port = "{key}"'),
        good.replace('interface = "wg0"', f'interface = "{key}"'),
        good.replace(f'address = "{NEAR_INNER[0]}/24"', f'address = "{key}"'),
        good.replace('endpoint = "', f'endpoint = "{key}'),
        f'{good}\nprivate_key = "{key}\n',
    ):
        assert key in wrong
        agent.config.write_text(wrong)
        life.warren("validate", status=1)
        life.warren("agent", "reload", status=1)
    life.warren("validate", "--json", status=1)
    life.warren("agent", "start", status=1)
    agent.config.write_text(good)
    assert agent.network()["state"] == "active"


def misuse(life: Life) -> None:
    """Requests with a key in them, which are refused."""
    key = life.keep("key in a request", PrivateKey.generate())
    peer = {"publicKey": str(PrivateKey.generate().public_key()), "presharedKey": key}
    for request in (
        {"id": "1", "action": "connect", "network": "new", "config": {"privateKey": key}},
        {"id": "2", "action": "connect", "network": "new", "config": {"privateKeyPath": key}},
        {"id": "3", "action": "connect", "network": "new", "config": {"peers": [peer]}},
        {"id": "4", "action": "connect", "network": "default", "private_key": key},
        {"id": "5", "action": "rotate_keys", "network": "default", "config": {"step": key}},
        {"id": "6", "action": "rotate_keys", "network": "default", "config": {"privateKey": key}},
        {"id": "7", "action": key},
        {"id": "8", "action": "list", key: ""},
    ):
        assert '"success":false' in life.ask(f"{json.dumps(request)}\n")
    assert '"success":false' in life.ask(f'{{"id":"9","action":"connect","config":{{"privateKey":"{key}\n')
    assert '"success":false' in life.ask(f"{key}\n")
    life.get(f"/{key}")
    life.get("/peers", bearer(key))
