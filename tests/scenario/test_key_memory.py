"""The memory of a running agent: where keys lie, and where none does (H-77).

near                                         client
eth0  192.0.2.1/24         ── cable ──       eth0  192.0.2.2/24, a UDP socket that speaks WireGuard
wg0   10.9.0.1/24, the agent                 inner packets from 10.9.0.2, made by hand

The client derives the same keys, so the test knows what must not be found.
"""

from __future__ import annotations

import json
import pwd
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.program import WARREN
from tests.memory import Region, find
from tests.netns.client import Client
from tests.netns.deadline import until
from tests.netns.engine import warren
from tests.netns.host import IN_NAMESPACES, Host
from tests.netns.interface import Interface, KeyPair, clamped, endpoint
from tests.netns.noise import Session, agree
from tests.netns.pair import FAR_INNER, NEAR_INNER, OUTER, cabled
from tests.secrets import forms, octets
from warren._core import PresharedKey
from warren.files.key_file import write_preshared_key

from .agent import PORT, USER, Agent, Network, Peer
from .conftest import MakeAgent, network_to
from .test_privileges import OPEN_TUN, WITH_THE_CAPABILITY

pytestmark = [*IN_NAMESPACES, pytest.mark.security]
OTHER_USERS = pytest.mark.skipif(USER == "root", reason="a user namespace has no other users")
SHIELDED = frozenset(("dd", "wf"))
ECHOES = range(1, 65)
NO_LOCKED_MEMORY = ("prlimit", "--memlock=0", "--")


@dataclass(frozen=True, slots=True)
class Known:
    """What a client must know of an agent."""

    keys: KeyPair
    listen_port: int = PORT


@dataclass(frozen=True, slots=True)
class Spoken:
    """An agent with live sessions, and the secrets that it shares with a client."""

    agent: Agent
    secrets: dict[str, bytes]

    def found(self) -> dict[str, list[Region]]:
        """Where which secret lies."""
        return find(process(self.agent.host, self.agent.pid()), forms(self.secrets))


def process(host: Host, pid: int) -> Path:
    """Its directory in /proc."""
    return host.path(f"/proc/{pid}")


def locked_kilobytes(host: Host, pid: int) -> int:
    lines = (process(host, pid) / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmLck:"))


def carry(client: Client, session: Session) -> None:
    """Packets both ways under a session, alone and in trains."""
    for sequence in ECHOES:
        client.request(session, sequence)
        client.packet(session)


@pytest.fixture
def spoken(make_agent: MakeAgent) -> Iterator[Spoken]:
    """One session that the agent began and one that the client began, both used."""
    near, host = make_agent("near"), make_agent("far").host
    cabled(near.host, host)
    near.key()
    psk = PresharedKey.generate()
    write_preshared_key(near.directory / "etc/warren/peer.psk", psk, trust=None)
    keys = KeyPair(octets(near.keys["private.key"]))
    with Client(host, Known(keys), OUTER["near"][0], octets(psk)) as client:
        lines = ('preshared_key_path = "/etc/warren/peer.psk"',)
        at = endpoint(OUTER["far"][0], client.port)
        peer = Peer("client", client.keys.text, (f"{FAR_INNER[0]}/32",), at, lines=lines)
        near.configure(Network(address=f"{NEAR_INNER[0]}/24", peers=(peer,), lines=('backend = "userspace"',)))
        near.start()
        near.until_state("active")
        first = client.respond()
        client.socket.send(first.seal(b""))
        carry(client, first)
        second = client.initiate()
        carry(client, second)
        secrets = {"private key": keys.private, "preshared key": octets(psk)}
        secrets["what the static keys agree on"] = agree(client.keys.private, keys.public)
        for name, session in (("first", first), ("second", second)):
            secrets |= {f"{name} session, in": session.send_key, f"{name} session, out": session.receive_key}
        near.host.run("wg", "show", "wg0")
        near.attempt("status")
        yield Spoken(near, secrets)


def test_keys_lie_in_locked_pages_that_no_core_file_and_no_fork_takes(spoken: Spoken) -> None:
    """A core file is made of what is mapped without `dd` (core(5), madvise(2))."""
    found = spoken.found()
    for name in spoken.secrets:
        assert any("lo" in region.flags for region in found[f"{name}, raw"]), f"{name}: {found}"
    elsewhere = {name: region for name, all_ in found.items() for region in all_ if not region.flags >= SHIELDED}
    assert elsewhere == {}
    assert locked_kilobytes(spoken.agent.host, spoken.agent.pid()) > 0


def test_after_a_disconnect_they_are_nowhere(spoken: Spoken) -> None:
    """Session keys wiped, the others let go; nor is any trace of them left on a stack or in freed memory."""
    spoken.agent.ask("disconnect", "default")
    spoken.agent.until_state("stopped")
    assert spoken.found() == {}


def test_a_program_of_its_own_keeps_them_alike(make_agent: MakeAgent) -> None:
    """warren-wg, as wg-quick starts it."""
    near, host = make_agent("near").host, make_agent("far").host
    cabled(near, host)
    interface = Interface(near, warren())
    interface.up(f"{NEAR_INNER[0]}/24")
    with Client(host, interface, OUTER["near"][0]) as client:
        interface.peer(client.keys, f"{FAR_INNER[0]}/32")
        session = client.initiate()
        carry(client, session)
        secrets = {"private key": clamped(interface.keys.private), "out": session.receive_key, "in": session.send_key}
        found = find(process(near, interface.pid), forms(secrets))
        assert {f"{name}, raw" for name in secrets} <= found.keys()
        assert [region for all_ in found.values() for region in all_ if not region.flags >= SHIELDED] == []
        assert locked_kilobytes(near, interface.pid) > 0
        interface.set("private-key", "/dev/null", "peer", client.keys.text, "remove")
        assert find(process(near, interface.pid), forms(secrets)) == {}


def as_user_who_may_lock_nothing(near: Agent) -> tuple[str | Path, ...]:
    """The words of a start."""
    near.host.run("sh", "-c", f"{OPEN_TUN} && install -d -o {USER} /run/wireguard")
    (near.directory / "run/warren").mkdir(parents=True)  # as the service manager does
    near.host.run("chown", "-R", USER, str(near.directory))
    group = str(pwd.getpwnam(USER).pw_gid)
    as_user = ("setpriv", "--reuid", USER, "--regid", group, "--clear-groups", *WITH_THE_CAPABILITY, "--")
    return (*NO_LOCKED_MEMORY, *as_user, *WARREN, "agent", "start", "--root", near.directory)


@OTHER_USERS
def test_where_nothing_can_be_locked_it_starts_and_says_so(two: tuple[Agent, Agent]) -> None:
    """In its log, in its health and in its metrics; all else holds."""
    near, _ = two
    started = near.host.start(*as_user_who_may_lock_nothing(near), log="agent")
    until(lambda: started.poll() is not None or near.attempt("info").returncode == 0, "it answers")
    assert started.poll() is None, near.host.log()
    near.until_state("active")
    (said,) = near.said("key_memory.unlocked")
    assert said["level"] == "warning"
    assert "mlock" in said["reason"]
    assert "LimitMEMLOCK" in said["hint"]
    healthz = json.loads(near.host.run("curl", "-s", "http://localhost:9090/healthz"))
    severities = {each["name"]: each["severity"] for each in healthz["conditions"]}
    assert severities["key_memory.unlocked"] == "info"
    metrics = near.host.run("curl", "-s", "http://localhost:9090/metrics")
    assert 'warren_conditions{condition="key_memory.unlocked",severity="info"} 1' in metrics
    assert locked_kilobytes(near.host, near.pid()) == 0
    found = find(process(near.host, near.pid()), {"key": octets(near.keys["private.key"])})
    assert [region for region in found["key"] if not region.flags >= SHIELDED] == []


@OTHER_USERS
def test_where_it_is_required_it_does_not_start_without(two: tuple[Agent, Agent]) -> None:
    near, far = two
    required = "[daemon]\nrequire_mlock = true\n"
    near.configure(network_to(far, NEAR_INNER[0], FAR_INNER[0]), head=required)
    done = near.host.attempt(*as_user_who_may_lock_nothing(near))
    assert done.returncode == 1
    assert "mlock" in done.stderr
    assert "LimitMEMLOCK=" in done.stderr
    assert "setcap cap_net_admin,cap_ipc_lock=+eip" in done.stderr
    far.configure(network_to(near, FAR_INNER[0], NEAR_INNER[0]), head=required)
    far.start()
    far.until_state("active")
    assert far.said("key_memory.unlocked") == []
