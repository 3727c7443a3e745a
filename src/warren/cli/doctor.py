"""`warren doctor`: diagnose a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from warren._core import Netlink
from warren.cli.checks import Result, Verdict, check_conditions, run_checks
from warren.cli.help import Command
from warren.cli.options import json_option, socket_option
from warren.cli.output import write
from warren.clock import wall_seconds
from warren.localapi.io.client import request
from warren.localapi.messages import DEFAULT_NETWORK
from warren.terminal import visible_line
from warren.tunnel.network import no_such_network

INDENT = " " * 10


@click.command(cls=Command, examples=("warren doctor", "warren doctor --network office --json"))
@click.option("--network", metavar="NAME", default=DEFAULT_NETWORK, help="Network to diagnose.")
@socket_option
@json_option
def doctor(network: str, socket: Path, as_json: bool) -> int:
    """Diagnose a network.

    Checks the agent's conditions, state, interface, addresses, routes, full tunnel, endpoints, port, firewall, peers
    and path MTU, in this order. Read-only, apart from ICMP echo requests.

    Exit status: 0 all checks passed or warned, 1 a check failed.
    """
    answer: Any = request(socket, "list")
    networks = answer["networks"]
    verdicts = [*check_conditions(answer["conditions"])]
    if not as_json:
        write("".join(map(as_text, verdicts)))
    chosen = next((candidate for candidate in networks if candidate["network"] == network), None)
    if chosen is None:
        raise no_such_network(network, (known["network"] for known in networks))
    peers: Any = request(socket, "peers", network)["peers"]
    for verdict in run_checks(chosen, peers, Netlink.open(), wall_seconds()):
        verdicts.append(verdict)
        if not as_json:
            write(as_text(verdict))
    if as_json:
        write(json.dumps([as_object(verdict) for verdict in verdicts], indent=2) + "\n")
    return int(any(verdict.result is Result.FAILED for verdict in verdicts))


def as_text(verdict: Verdict) -> str:
    """Return the result of a check as a line, with hints below it."""
    hint = verdict.hint.splitlines() if verdict.result is not Result.OK else []
    lines = (f"{verdict.result.value:<8}  {verdict.check}: {verdict.sentence}", *(f"{INDENT}{line}" for line in hint))
    return "".join(f"{visible_line(line)}\n" for line in lines)


def as_object(verdict: Verdict) -> dict[str, object]:
    """Return the result of a check for JSON."""
    return {
        "check": verdict.check,
        "result": verdict.result.value,
        "sentence": verdict.sentence,
        "hint": verdict.hint,
    }
