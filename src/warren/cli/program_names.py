"""The words of each program name: one program, whose commands are those of the name that it was started by (X-35)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import PurePath

WARREN: Mapping[str, str] = {
    "agent": "warren.cli.agent:agent",
    "status": "warren.cli.status:status",
    "list": "warren.cli.network:list_networks",
    "peers": "warren.cli.network:peers",
    "connect": "warren.cli.network:connect",
    "disconnect": "warren.cli.network:disconnect",
    "rotate-keys": "warren.cli.network:rotate_keys",
    "info": "warren.cli.network:info",
    "doctor": "warren.cli.doctor:doctor",
    "recover": "warren.cli.recover:recover",
    "command": "warren.cli.command:command",
    "verbs": "warren.cli.verbs:verbs",
    "audit": "warren.cli.audit:audit",
    "helper": "warren.cli.root_helper:helper",
    "validate": "warren.cli.validate:validate",
    "config": "warren.cli.config:config",
    "identity": "warren.cli.identity:identity",
    "trust": "warren.cli.trust:trust",
    "operator": "warren.cli.operator:operator",
    "up": "warren.cli.interface:up",
    "down": "warren.cli.interface:down",
    "openvpn": "warren.cli.openvpn:openvpn",
    "genkey": "warren.cli.key:genkey",
    "pubkey": "warren.cli.key:pubkey",
    "genpsk": "warren.cli.key:genpsk",
}
"""In the order of a day's work: the module of each command, and what it is called there."""

# Document 000 has the agent's verbs at the top, and a command for its version (H-18, H-22).
HARMONY_AGENT: Mapping[str, str] = {
    "start": "warren.cli.agent:start",
    "stop": "warren.cli.agent:stop",
    "reload": "warren.cli.agent:reload",
    **{word: home for word, home in WARREN.items() if word not in {"agent", "up", "down"}},
    "version": "warren.cli.version:version",
}

DIALECTS = {"warren": WARREN, "harmony-agent": HARMONY_AGENT}


def program_name() -> str:
    """The name that this program was started by; `warren` for any that is no program's."""
    name = PurePath(sys.argv[0]).name
    return name if name in DIALECTS else "warren"
