"""`warren list`, `peers`, `info`, `connect`, `disconnect`, `rotate-keys`: the agent's networks, over its socket."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import click

from warren.cli.help import Command
from warren.cli.networks_text import network_line, network_lines, peer_lines
from warren.cli.options import json_option, socket_option
from warren.cli.output import write
from warren.cli.program_names import program_name
from warren.clock import wall_seconds
from warren.localapi.io.client import request
from warren.localapi.messages import DEFAULT_NETWORK
from warren.tunnel.lifecycle import State

POLL_INTERVAL_SECONDS = 0.05

NETWORK = click.argument("network", default=DEFAULT_NETWORK)


@click.command("list", cls=Command, examples=("warren list", "warren list --json"))
@socket_option
@json_option
def list_networks(socket: Path, as_json: bool) -> None:
    """List the networks of the agent."""
    answer = request(socket, "list")
    _show(answer, as_json, network_lines(answer))


@click.command(cls=Command, examples=("warren peers", "warren peers office --json"))
@NETWORK
@socket_option
@json_option
def peers(network: str, socket: Path, as_json: bool) -> None:
    """List the peers of a network.

    Without NETWORK, of the network `default`.
    """
    answer = request(socket, "peers", network)
    _show(answer, as_json, peer_lines(answer, wall_seconds()))


@click.command(cls=Command, examples=("warren info", "warren info --json"))
@socket_option
@json_option
def info(socket: Path, as_json: bool) -> None:
    """Show agent version, PID, config file and sockets."""
    answer = request(socket, "info")
    _show(answer, as_json, "".join(f"{key}: {_value_text(value)}\n" for key, value in answer.items()))


@click.command(cls=Command, examples=("warren connect", "warren connect office"))
@NETWORK
@socket_option
@json_option
def connect(network: str, socket: Path, as_json: bool) -> None:
    """Bring a network up, as configured.

    Returns at once: `warren status` shows the progress. Without NETWORK, the network `default`.
    """
    answer = request(socket, "connect", network)
    _show(answer, as_json, f"{network_line(answer)}\n")


@click.command(cls=Command, examples=("warren disconnect", "warren disconnect office"))
@NETWORK
@socket_option
@json_option
def disconnect(network: str, socket: Path, as_json: bool) -> None:
    """Take a network down.

    Its interface, routes, rules and DNS settings are removed when the command returns. Without NETWORK, the network
    `default`.
    """
    answer = request(socket, "disconnect", network)
    while answer["state"] == State.STOPPING:
        time.sleep(POLL_INTERVAL_SECONDS)
        answer = request(socket, "status", network)
    _show(answer, as_json, f"{network_line(answer)}\n")


@click.command(
    "rotate-keys",
    cls=Command,
    examples=(
        "warren rotate-keys office",
        "warren rotate-keys office --commit",
    ),
)
@NETWORK
@click.option("--commit", "step", flag_value="commit", help="Switch to the prepared key.")
@click.option("--abort", "step", flag_value="abort", help="Abort the rotation.")
@socket_option
@json_option
def rotate_keys(network: str, step: str | None, socket: Path, as_json: bool) -> None:
    """Replace a network's private key, in two steps.

    The first step, without an option, prepares a key and shows its public key. Configure that on the peers, then switch
    with --commit. The previous key is kept until the first handshake with the new one. Without NETWORK, the network
    `default`.
    """
    answer = request(socket, "rotate_keys", network, {"step": step or "prepare"})
    outcome = {
        None: f"prepared: give this public key to the peers, then: {program_name()} rotate-keys {network} --commit",
        "commit": "the new key is in use; the previous one is kept until the first handshake",
        "abort": "rotation aborted; the previous key stays in use",
    }[step]
    key = answer["public_key"]
    _show(answer, as_json, f"{key}\n{outcome}\n")


def _show(answer: Mapping[str, object], as_json: bool, text: str) -> None:
    write(json.dumps(answer, indent=2) + "\n" if as_json else text)


def _value_text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
