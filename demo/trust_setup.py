"""Trust for signed commands: a root key, an operator, and a node that accepts their commands."""

from __future__ import annotations

from pathlib import Path

from demo.agent import Agent, service_user
from demo.host import Host, run
from demo.screen import Screen
from demo.tunnel import FILES

TITLE = "Trust for signed commands: an offline root, an operator, a node"
OFFICE = FILES / "office"
OPERATOR = OFFICE / "dana.jwks"


def show(screen: Screen, _alice: Host, bob: Host) -> None:
    """Create the keys, sign a policy and install it on the node; the node's replay store is initialized here."""
    FILES.mkdir(mode=0o711)  # secret files below it have a mode of their own
    root = run("warren", "trust", "init", str(OFFICE)).strip()
    screen.fact(f"warren trust init: root thumbprint {root}")
    with (OFFICE / "trust.toml").open("a") as file:
        file.write(run("warren", "operator", "new", "dana", "--output", str(OPERATOR)))
    screen.fact("warren operator new dana: her public keys go into trust.toml")
    output = run("warren", "trust", "sign", str(OFFICE / "trust.toml"))
    screen.fact(f"warren trust sign: {output.strip().rpartition(': ')[2]}")
    node = node_of(bob)
    node.configure(configuration(root))
    screen.quote(f"bob: agent.toml pins the root and enables commands\n\n{configuration(root)}")
    node.warren("identity", "init", "--id", "gateway-001")
    node.warren("trust", "install", str(OFFICE / "trust.jws"))
    screen.fact("bob: `warren identity init` and `warren trust install`: node gateway-001 trusts this root")


def node_of(bob: Host) -> Agent:
    """Return the agent that runs signed commands."""
    return Agent(bob, "gateway-001")


def htpasswd_of(node: Agent) -> Path:
    """Return the password file of the panel."""
    return node.root / "etc/panel.htpasswd"


def configuration(root: str) -> str:
    """Return a configuration without networks, for commands only."""
    return f"""\
[security]
root = ["{root}"]
exec_enable = true

[services.panel]
htpasswd = "/etc/panel.htpasswd"

[daemon]
user = "{service_user()}"
"""
