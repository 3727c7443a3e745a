"""`warren status`: the truth at a glance."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from warren.cli.networks_text import Answer, network_lines
from warren.cli.options import json_option, socket_option
from warren.cli.output import tell, warn, write
from warren.cli.status_json import document
from warren.cli.status_text import Names, plain
from warren.clock import wall_seconds
from warren.errors import WarrenError
from warren.localapi.io.client import request
from warren.tunnel.io.observe import Survey, served, survey

PATIENCE_SECONDS = 3.0  # with an agent that hangs: the interfaces can be shown without it
NOT_UP = 3  # what systemctl(1) says of a unit that is not active


@click.command()
@click.argument("name", required=False)
@socket_option
@json_option
def status(name: str | None, socket: Path, as_json: bool) -> int:
    """Show the agent's networks, and every interface that a userspace WireGuard serves on this host; or NAME alone.

    NAME is that of a network of the agent or of an interface.

    Exit status: 0 every one of them is up; 3 one is not, or there is none; 1 one could not be asked. A socket that a
    killed engine left behind is told, and is none of them. No private or preshared key is ever shown.
    """
    agent = ask_agent(socket)
    networks = [network for network in agent["networks"] if name in (None, network["network"])]
    found = survey(interfaces_to_ask(name, networks))
    now = wall_seconds()
    if as_json:
        said = {"networks": networks, "conditions": agent["conditions"]}
        write(json.dumps(said | document(found, now), indent=2) + "\n")
        return exit_status(found, networks)
    if found.interfaces or networks or not found.failures:
        names = peer_names(socket, networks)
        write(_drawn(found, networks, names, now) if sys.stdout.isatty() else _plain(found, networks, names, now))
    for error in found.failures.values():
        tell(str(error), error.hint)
    for condition in agent["conditions"]:
        warn(condition["message"])
    return exit_status(found, networks)


def interfaces_to_ask(name: str | None, networks: Sequence[Answer]) -> list[str]:
    """Those of the networks that are up, in the kernel or not; without a name those that have a socket, too."""
    if name is not None and not networks:
        return [name]
    up = {network["interface"] for network in networks if network["state"] == "active"}
    return sorted(up.union(served() if name is None else ()))


def ask_agent(socket: Path) -> Answer:
    """What the agent says of its networks and itself; nothing where there is none, or none that this user may ask."""
    try:
        return request(socket, "list", timeout=PATIENCE_SECONDS)
    except WarrenError as error:
        if error.code != "agent.unavailable":
            tell(str(error), error.hint)
    return {"networks": [], "conditions": []}


def peer_names(socket: Path, networks: Sequence[Answer]) -> dict[str, str]:
    """What the agent calls the peers of its networks, by their public keys."""
    answers: list[Any] = []
    with suppress(WarrenError):  # the agent, or a network, went meanwhile
        answers += [request(socket, "peers", network["network"]) for network in networks]
    peers = (peer for answer in answers for peer in answer["peers"])
    return {peer["public_key"]: peer["name"] for peer in peers}


def _plain(found: Survey, networks: Sequence[Answer], names: Names, now: float) -> str:
    if not networks:
        return plain(found.interfaces, now)
    parts = [network_lines({"networks": networks})]
    return "\n".join((*parts, *([plain(found.interfaces, now, names)] if found.interfaces else [])))


def _drawn(found: Survey, networks: Sequence[Answer], names: Names, now: float) -> str:
    from warren.cli.status_table import drawn  # noqa: PLC0415, rich takes longer to import than all the rest

    return drawn(found.interfaces, now, networks=networks, names=names)


def exit_status(found: Survey, networks: Sequence[Answer] = ()) -> int:
    """As the help has it."""
    codes = {error.code for error in found.failures.values()} - {"interface.stale"}
    if codes - {"interface.ended"}:
        return 1
    all_up = all(interface.is_up for interface in found.interfaces)
    all_active = all(network["state"] == "active" for network in networks if network["state"] != "uninitialized")
    return 0 if found.interfaces and all_up and all_active and not codes else NOT_UP
