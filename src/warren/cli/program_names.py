"""Names of the program, and the commands of each: `harmony-agent` has the agent's own at its top level (X-35)."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import PurePath

Commands = Mapping[str, str]
"""The location of each command, as `module:attribute`."""

WARREN: Mapping[str, Commands] = {
    "Tunnels": {
        "up": "warren.cli.interface:up",
        "down": "warren.cli.interface:down",
        "status": "warren.cli.status:status",
        "list": "warren.cli.network:list_networks",
        "peers": "warren.cli.network:peers",
        "connect": "warren.cli.network:connect",
        "disconnect": "warren.cli.network:disconnect",
        "rotate-keys": "warren.cli.network:rotate_keys",
        "genkey": "warren.cli.key:genkey",
        "pubkey": "warren.cli.key:pubkey",
        "genpsk": "warren.cli.key:genpsk",
    },
    "Agent": {
        "agent": "warren.cli.agent:agent",
        "config": "warren.cli.config:config",
        "validate": "warren.cli.validate:validate",
        "helper": "warren.cli.root_helper:helper",
        "runner": "warren.cli.root_runner:runner",
    },
    "Commands": {
        "command": "warren.cli.command:command",
        "verbs": "warren.cli.verbs:verbs",
        "openvpn": "warren.cli.openvpn:openvpn",
    },
    "Trust": {
        "trust": "warren.cli.trust:trust",
        "operator": "warren.cli.operator:operator",
        "identity": "warren.cli.identity:identity",
        "audit": "warren.cli.audit:audit",
    },
    "Diagnostics": {
        "info": "warren.cli.network:info",
        "curl": "warren.cli.dial:curl",
        "nc": "warren.cli.dial:nc",
        "capture": "warren.cli.capture:capture",
        "doctor": "warren.cli.doctor:doctor",
        "recover": "warren.cli.recover:recover",
    },
}

AGENT_COMMANDS: Commands = {
    "start": "warren.cli.agent:start",
    "stop": "warren.cli.agent:stop",
    "reload": "warren.cli.agent:reload",
}

# The harmony-agent interface has these at the top level, and a command for its version (H-18, H-22).
HARMONY_AGENT: Mapping[str, Commands] = {
    **WARREN,
    "Tunnels": {name: place for name, place in WARREN["Tunnels"].items() if name not in {"up", "down"}},
    "Agent": {**AGENT_COMMANDS, **{name: place for name, place in WARREN["Agent"].items() if name != "agent"}},
    "Diagnostics": {**WARREN["Diagnostics"], "version": "warren.cli.version:version"},
}

SECTIONS_OF_PROGRAM: Mapping[str, Mapping[str, Commands]] = {"warren": WARREN, "harmony-agent": HARMONY_AGENT}

COMMAND_LINE = re.compile(r"(?<![\w/.-])warren (?:agent (?=start|stop|reload))?([a-z-]+)")


def program_name() -> str:
    """Return the name that this program was started by, or `warren` if that is not a program's name."""
    name = PurePath(sys.argv[0]).name
    return name if name in SECTIONS_OF_PROGRAM else "warren"


def commands_of(program: str) -> dict[str, str]:
    """Return the location of every command of a program, in the order of its help page."""
    return {name: place for commands in SECTIONS_OF_PROGRAM[program].values() for name, place in commands.items()}


def for_program(text: str, program: str) -> str:
    """Return a text with command lines of `warren`, with those of another program instead where it has the command."""
    commands = commands_of(program)

    def command_line(match: re.Match[str]) -> str:
        return f"{program} {match[1]}" if match[1] in commands else match[0]

    return text if program == "warren" else COMMAND_LINE.sub(command_line, text)
