"""An agent on each host: a configuration changes and a key rotates while echoes go on."""

from __future__ import annotations

from contextlib import ExitStack

from demo.agent import Agent
from demo.echo import parse_ping
from demo.failure import StageError
from demo.flood import flooding
from demo.host import Host, run
from demo.screen import Screen

TITLE = "Two agents: a reload and a new key, under 200 echoes a second"
NETWORKS = {"office": ("wg0", 51820, "10.77.1"), "lab": ("wg1", 51821, "10.77.2")}
LAST = {"alice": 1, "bob": 2}


def show(screen: Screen, alice: Host, bob: Host) -> str:
    """Change one agent under traffic, rotate a key beside it; not one echo may be lost."""
    here, there = Agent(alice), Agent(bob)
    told = {agent: configuration(agent, other) for agent, other in ((here, there), (there, here))}
    screen.quote(f"alice's agent.toml, the half of it\n\n{told[here].partition('[network.lab]')[0]}")
    with ExitStack() as stack:
        for agent in (here, there):
            agent.configure(told[agent])
            stack.enter_context(agent.running(len(NETWORKS)))
            screen.fact(f"{agent.host.name}: warren agent start: {' and '.join(NETWORKS)} are up")
        with flooding(alice, inside("office", bob)) as echoes:
            here.configure(told[here] + stranger())
            here.warren("agent", "reload")
            screen.fact("alice: a peer more in the file, and `warren agent reload`")
            rotate(here, there, told[there])
            screen.fact("alice: `warren rotate-keys lab`, bob is told the key, `warren rotate-keys lab --commit`")
        if echoes.lost:
            raise StageError(f"{echoes.lost} of {echoes.sent} echoes through office were lost meanwhile")
        screen.fact(f"meanwhile {echoes.sent} echoes went through office, and every one came back")
        parse_ping(alice.run("ping", "-n", "-c", "1", "-W", "10", inside("lab", bob)))
        screen.fact("bob is reached through lab with the new key:")
        screen.quote(f"alice$ warren list\n{here.warren('list')}")
        screen.quote(f"alice$ warren peers office\n{here.warren('peers', 'office')}")
    return f"a reload and a new key cost none of {echoes.sent} echoes"


def inside(network: str, host: Host) -> str:
    """A host's address in a network."""
    return f"{NETWORKS[network][2]}.{LAST[host.name]}"


def configuration(agent: Agent, other: Agent) -> str:
    """Two networks, each to the other host."""
    return "\n".join(tables(name, agent, other) for name in NETWORKS)


def tables(name: str, agent: Agent, other: Agent) -> str:
    """One network, as the agent's file has it."""
    interface, port, _ = NETWORKS[name]
    agent.public_key(name)  # made where there is none
    return f"""\
[network.{name}]
enable_wireguard = true
interface = "{interface}-{agent.host.name}"
address = "{inside(name, agent.host)}/24"
listen_port = {port}
private_key_path = "/etc/warren/{name}.key"

[[network.{name}.peers]]
name = "{other.host.name}"
public_key = "{other.public_key(name)}"
endpoint = "{other.host.wire}:{port}"
allowed_ips = ["{inside(name, other.host)}/32"]
"""


def stranger() -> str:
    """A peer that nobody is."""
    key = run("warren", "pubkey", stdin=run("warren", "genkey")).strip()
    peer = f'[[network.office.peers]]\nname = "carol"\npublic_key = "{key}"\n'
    return f'\n{peer}persistent_keepalive_secs = 0\nallowed_ips = ["10.77.1.3/32"]\n'


def rotate(here: Agent, there: Agent, told: str) -> None:
    """Two steps; the far side learns the key between them."""
    old = here.public_key("lab")
    new = here.warren("rotate-keys", "lab").splitlines()[0]
    there.configure(told.replace(old, new))
    there.warren("agent", "reload")
    here.warren("rotate-keys", "lab", "--commit")
