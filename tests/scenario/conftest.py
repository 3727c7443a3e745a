"""Two hosts with a cable, and an agent on each; or the far side of a guide, and a user who reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.netns import engine
from tests.netns.host import Host, address, join
from tests.netns.interface import Interface
from tests.netns.kernel import interface
from tests.netns.pair import FAR_INNER, NEAR_INNER, OUTER, cabled

from .agent import PORT, Agent, Network, Peer, open_directory
from .flood import EchoFlood
from .user import CONFIG, MAKE_USER, User

MakeAgent = Callable[[str], Agent]


@pytest.fixture
def make_agent(tmp_path: Path) -> Iterator[MakeAgent]:
    """Makes hosts with an agent by name; nothing runs on them yet, and all end with the test."""
    if not Path("/dev/net/tun").exists():
        pytest.skip("the device /dev/net/tun")
    agents: list[Agent] = []

    def make(name: str) -> Agent:
        agents.append(Agent(hosts.enter_context(Host(name, tmp_path)), directory / name))
        return agents[-1]

    with open_directory() as directory, ExitStack() as hosts:
        yield make
        for agent in agents:
            agent.expect_no_secret_in_its_log()


@pytest.fixture
def two(make_agent: MakeAgent) -> tuple[Agent, Agent]:
    """`near` and `far` of tests/netns/pair.py, configured for each other, not started."""
    near, far = make_agent("near"), make_agent("far")
    cabled(near.host, far.host)
    near.configure(network_to(far, NEAR_INNER[0], FAR_INNER[0]))
    far.configure(network_to(near, FAR_INNER[0], NEAR_INNER[0]))
    return near, far


@pytest.fixture
def joined(two: tuple[Agent, Agent]) -> tuple[Agent, Agent]:
    """The same, running, with a session between them."""
    for agent in two:
        agent.start()
        agent.until_state("active")
    assert two[0].host.attempt("ping", "-c1", "-W10", FAR_INNER[0]).returncode == 0
    return two


@pytest.fixture
def flood(tmp_path: Path) -> Callable[[Agent, str], EchoFlood]:
    """Echoes from an agent's host to an address."""
    return lambda agent, address: EchoFlood(agent.host, address, tmp_path)


def network_to(other: Agent, own: str, inner: str) -> Network:
    """The network of one of two: `own` is its address inside, `inner` the other's."""
    peer = Peer(other.host.name, other.key(), (f"{inner}/32",), f"{OUTER[other.host.name][0]}:{PORT}")
    return Network(address=f"{own}/24", peers=(peer,))


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Interface]:
    """The far side of the guide: stock WireGuard, 10.42.0.1 inside."""
    if not Path("/dev/net/tun").exists():
        pytest.skip("the device /dev/net/tun")
    with Host("core", tmp_path) as host:
        far = interface(host, engine.debian())
        far.up("10.42.0.1/16", "fd42:1::1/48", mtu=1420)
        yield far


@pytest.fixture
def user(core: Interface, tmp_path: Path) -> Iterator[User]:
    """After steps 1 and 2 of the quick start."""
    with Host("node", tmp_path) as host:
        join(host, core.host)
        address(host, "eth0", "192.0.2.1/24")
        address(core.host, "eth0", "192.0.2.2/24")
        user = User(host)
        user.types(MAKE_USER)
        user.types("mkdir -p /etc/harmony-agent")
        user.types("echo '192.0.2.2 vpn.example.com' >> /etc/hosts")
        user.types("wg genkey > /etc/harmony-agent/private.key")
        user.types("chmod 600 /etc/harmony-agent/private.key")
        user.types("wg pubkey < /etc/harmony-agent/private.key > /etc/harmony-agent/public.key")
        text = CONFIG.format(core=core.keys.text).replace("51820", str(core.listen_port))
        user.writes("/etc/harmony-agent/config.toml", text)
        user.types("chmod 640 /etc/harmony-agent/config.toml")
        own = user.types("cat /etc/harmony-agent/public.key").strip()
        core.configure(f"[Peer]\nPublicKey = {own}\nAllowedIPs = 10.42.0.2/32\n", "addconf")
        yield user
