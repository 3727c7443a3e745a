"""`warren doctor`: what is wrong with a network, and what would mend it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from warren._core import Netlink
from warren.cli.checks import Result, Verdict, examine
from warren.cli.options import json_option, socket_option
from warren.cli.output import write
from warren.clock import wall_seconds
from warren.localapi.io.client import request
from warren.localapi.messages import DEFAULT_NETWORK
from warren.tunnel.network import no_such_network

INDENT = " " * 10


@click.command()
@click.option("--network", metavar="NAME", default=DEFAULT_NETWORK, help="The network to examine.")
@socket_option
@json_option
def doctor(network: str, socket: Path, as_json: bool) -> int:
    """Examine a network from this host outwards: state, interface, routes, port, firewall, peers, MTU.

    It only looks; echoes are all that it sends. Exit status: 0 all is well, or only warned of; 1 a check failed.
    """
    found: Any = request(socket, "list")["networks"]
    chosen = next((each for each in found if each["network"] == network), None)
    if chosen is None:
        raise no_such_network(network, (each["network"] for each in found))
    peers: Any = request(socket, "peers", network)["peers"]
    verdicts = []
    for verdict in examine(chosen, peers, Netlink.open(), wall_seconds()):
        verdicts.append(verdict)
        if not as_json:
            write(in_words(verdict))
    if as_json:
        write(json.dumps([document(verdict) for verdict in verdicts], indent=2) + "\n")
    return int(any(verdict.result is Result.FAILED for verdict in verdicts))


def in_words(verdict: Verdict) -> str:
    """A line, and what would mend it below."""
    hint = verdict.hint.splitlines() if verdict.result is not Result.OK else []
    lines = (f"{verdict.result.value:<8}  {verdict.check}: {verdict.sentence}", *(f"{INDENT}{line}" for line in hint))
    return "".join(f"{line}\n" for line in lines)


def document(verdict: Verdict) -> dict[str, object]:
    """The same for programs."""
    return {
        "check": verdict.check,
        "result": verdict.result.value,
        "sentence": verdict.sentence,
        "hint": verdict.hint,
    }
