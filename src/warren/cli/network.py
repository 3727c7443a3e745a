"""`warren list`, `peers`, `info`, `connect`, `disconnect`, `rotate-keys`: the agent's networks, over its socket."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import click

from warren.cli.networks_text import network_line, network_lines, peer_lines
from warren.cli.options import json_option, socket_option
from warren.cli.output import write
from warren.cli.program_names import program_name
from warren.clock import wall_seconds
from warren.localapi.io.client import request
from warren.localapi.messages import DEFAULT_NETWORK
from warren.tunnel.lifecycle import State

GLANCE_SECONDS = 0.05

NETWORK = click.argument("network", default=DEFAULT_NETWORK)


@click.command("list")
@socket_option
@json_option
def list_networks(socket: Path, as_json: bool) -> None:
    """Show all networks that the agent knows, one to a line."""
    answer = request(socket, "list")
    _show(answer, as_json, network_lines(answer))


@click.command()
@NETWORK
@socket_option
@json_option
def peers(network: str, socket: Path, as_json: bool) -> None:
    """Show the peers of NETWORK."""
    answer = request(socket, "peers", network)
    _show(answer, as_json, peer_lines(answer, wall_seconds()))


@click.command()
@socket_option
@json_option
def info(socket: Path, as_json: bool) -> None:
    """Say which agent answers, and what it was told."""
    answer = request(socket, "info")
    _show(answer, as_json, "".join(f"{key}: {_word(value)}\n" for key, value in answer.items()))


@click.command()
@NETWORK
@socket_option
@json_option
def connect(network: str, socket: Path, as_json: bool) -> None:
    """Begin to bring up NETWORK, as the agent's configuration has it."""
    answer = request(socket, "connect", network)
    _show(answer, as_json, f"{network_line(answer)}\n")


@click.command()
@NETWORK
@socket_option
@json_option
def disconnect(network: str, socket: Path, as_json: bool) -> None:
    """Take NETWORK down: its interface, routes, rules and DNS are gone when this returns."""
    answer = request(socket, "disconnect", network)
    while answer["state"] == State.STOPPING:
        time.sleep(GLANCE_SECONDS)
        answer = request(socket, "status", network)
    _show(answer, as_json, f"{network_line(answer)}\n")


@click.command("rotate-keys")
@NETWORK
@click.option("--commit", "step", flag_value="commit", help="Use the new key: its peers know it by now.")
@click.option("--abort", "step", flag_value="abort", help="Go back to the key before.")
@socket_option
@json_option
def rotate_keys(network: str, step: str | None, socket: Path, as_json: bool) -> None:
    """Give NETWORK a new private key, in two steps.

    Without an option a new key is made and its public key shown: nothing changes on the wire until --commit, so tell it
    to the peers first. The old key is kept until a handshake with the new one.
    """
    answer = request(socket, "rotate_keys", network, {"step": step or "prepare"})
    told = {
        None: f"prepared: give this public key to the peers, then: {program_name()} rotate-keys {network} --commit",
        "commit": "the new key is in use; the old one is kept until the first handshake",
        "abort": "the key is the old one",
    }[step]
    key = answer["public_key"]
    _show(answer, as_json, f"{key}\n{told}\n")


def _show(answer: Mapping[str, object], as_json: bool, words: str) -> None:
    write(json.dumps(answer, indent=2) + "\n" if as_json else words)


def _word(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
