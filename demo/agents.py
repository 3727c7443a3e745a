"""An agent on each host: reload a configuration and rotate a key while pings run."""

from __future__ import annotations

from contextlib import ExitStack

from demo.agent import Agent
from demo.echo import parse_ping
from demo.failure import StageError
from demo.flood import flooding
from demo.host import Host, run
from demo.screen import Screen

TITLE = "Two agents: reload and key rotation under 200 pings/s"
NETWORKS = {"office": ("wg0", 51820, "10.77.1"), "lab": ("wg1", 51821, "10.77.2")}
HOST_NUMBERS = {"alice": 1, "bob": 2}


def show(screen: Screen, alice: Host, bob: Host) -> str:
    """Reload one agent under traffic and rotate a key; no ping may be lost."""
    here, there = Agent(alice), Agent(bob)
    files = {agent: configuration(agent, other) for agent, other in ((here, there), (there, here))}
    screen.quote(f"alice: agent.toml (one of its two networks)\n\n{files[here].partition('[network.lab]')[0]}")
    with ExitStack() as stack:
        for agent in (here, there):
            agent.configure(files[agent])
            stack.enter_context(agent.running(len(NETWORKS)))
            screen.fact(f"{agent.host.name}: `warren agent start` brings up {' and '.join(NETWORKS)}")
        with flooding(alice, inside("office", bob)) as pings:
            here.configure(files[here] + additional_peer())
            here.warren("agent", "reload")
            screen.fact("alice: a third peer added to the file, then `warren agent reload`")
            rotate_key(here, there, files[there])
            screen.fact("alice: `warren rotate-keys lab`, new key configured on bob, `warren rotate-keys lab --commit`")
        if pings.lost:
            raise StageError(f"{pings.lost} of {pings.sent} pings through office were lost during reload and rotation")
        screen.fact(f"meanwhile {pings.sent} pings went through office: 0 lost")
        parse_ping(alice.run("ping", "-n", "-c", "1", "-W", "10", inside("lab", bob)))
        screen.fact("bob answers through lab with the new key:")
        screen.quote(f"alice$ warren list\n{here.warren('list')}")
        screen.quote(f"alice$ warren peers office\n{here.warren('peers', 'office')}")
    return f"reload and key rotation lost 0 of {pings.sent} pings"


def inside(network: str, host: Host) -> str:
    """Return a host's address in a network."""
    return f"{NETWORKS[network][2]}.{HOST_NUMBERS[host.name]}"


def configuration(agent: Agent, other: Agent) -> str:
    """Return a configuration of two networks, each with the other host as its peer."""
    return "\n".join(tables(name, agent, other) for name in NETWORKS)


def tables(name: str, agent: Agent, other: Agent) -> str:
    """Return the tables of one network."""
    interface, port, _ = NETWORKS[name]
    agent.public_key(name)  # creates the private key if it is missing
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


def additional_peer() -> str:
    """Return the table of a third peer, which never connects."""
    key = run("warren", "pubkey", stdin=run("warren", "genkey")).strip()
    peer = f'[[network.office.peers]]\nname = "carol"\npublic_key = "{key}"\n'
    return f'\n{peer}persistent_keepalive_secs = 0\nallowed_ips = ["10.77.1.3/32"]\n'


def rotate_key(here: Agent, there: Agent, other_file: str) -> None:
    """Rotate a key in two steps; the other host is configured with the new key in between."""
    old = here.public_key("lab")
    new = here.warren("rotate-keys", "lab").splitlines()[0]
    there.configure(other_file.replace(old, new))
    there.warren("agent", "reload")
    here.warren("rotate-keys", "lab", "--commit")
