"""Who may command bob: keys as their owners make them, and a node that believes them."""

from __future__ import annotations

from pathlib import Path

from demo.agent import Agent, service_user
from demo.host import Host, run
from demo.screen import Screen
from demo.tunnel import FILES

TITLE = "Who may command: a root that stays offline, an operator, a node"
OFFICE = FILES / "office"
OPERATOR = OFFICE / "dana.jwks"


def show(screen: Screen, _alice: Host, bob: Host) -> None:
    """Make the keys, sign who may say what, and have the node take it; its record of used commands begins here."""
    FILES.mkdir(mode=0o711)  # what is secret below has a mode of its own
    root = run("warren", "trust", "init", str(OFFICE)).strip()
    screen.fact(f"warren trust init: the root's thumbprint is {root}")
    with (OFFICE / "trust.toml").open("a") as file:
        file.write(run("warren", "operator", "new", "dana", "--output", str(OPERATOR)))
    screen.fact("warren operator new dana: her public keys go into trust.toml")
    told = run("warren", "trust", "sign", str(OFFICE / "trust.toml"))
    screen.fact(f"warren trust sign: {told.strip().rpartition(': ')[2]}")
    node = node_of(bob)
    node.configure(configuration(root))
    screen.quote(f"bob's agent.toml: its owner pins the root, and lets commands run\n\n{configuration(root)}")
    node.warren("identity", "init", "--id", "gateway-001")
    node.warren("trust", "install", str(OFFICE / "trust.jws"))
    screen.fact("bob: warren identity init, warren trust install: he is gateway-001, and believes what the root signed")


def node_of(bob: Host) -> Agent:
    """The agent that takes commands."""
    return Agent(bob, "gateway-001")


def htpasswd_of(node: Agent) -> Path:
    """The file that the panel's web server would read."""
    return node.root / "etc/panel.htpasswd"


def configuration(root: str) -> str:
    """No network: only commands."""
    return f"""\
[security]
root = ["{root}"]
exec_enable = true

[services.panel]
htpasswd = "/etc/panel.htpasswd"

[daemon]
user = "{service_user()}"
"""
