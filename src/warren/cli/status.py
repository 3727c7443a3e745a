"""`warren status`: networks of the agent and interfaces of this host."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import click

from warren.cli.help import Command
from warren.cli.networks_text import Answer, network_lines
from warren.cli.options import json_option, socket_option
from warren.cli.output import is_terminal, report, warn, write, write_styled
from warren.cli.status_json import as_object
from warren.cli.status_text import Names, as_text
from warren.clock import wall_seconds
from warren.errors import WarrenError
from warren.localapi.io.client import request
from warren.tunnel.io.observe import Survey, served_interfaces, survey
from warren.tunnel.status import InterfaceStatus, LinkStatus

AGENT_TIMEOUT_SECONDS = 3.0  # interfaces can be shown without an agent that hangs
NOT_UP = 3  # as systemctl(1) for a unit that is not active


@click.command(cls=Command, examples=("warren status", "warren status wg0", "warren status --json"))
@click.argument("name", required=False)
@socket_option
@json_option
def status(name: str | None, socket: Path, as_json: bool) -> int:
    """Show networks, interfaces and peers.

    NAME selects one network of the agent or one interface. Interfaces are those that a userspace WireGuard serves on
    this host. Private and preshared keys are never shown.

    Stale sockets are reported but not counted.

    Exit status: 0 all are up, 3 one is not up or there is none, 1 one could not be queried.
    """
    agent = query_agent(socket)
    networks = [network for network in agent["networks"] if name in (None, network["network"])]
    result = with_stacks(survey(interfaces_to_query(name, networks)), networks)
    now = wall_seconds()
    if as_json:
        answer = {"networks": networks, "conditions": agent["conditions"]}
        write(json.dumps(answer | as_object(result, now), indent=2) + "\n")
        return exit_status(result, networks)
    if result.interfaces or networks or not result.failures:
        names = peer_names(socket, networks)
        if is_terminal():
            write_styled(_as_table(result, networks, names, now))
        else:
            write(_as_columns(result, networks, names, now))
    for error in result.failures.values():
        report(str(error), error.hint)
    for condition in agent["conditions"]:
        warn(condition["message"])
    return exit_status(result, networks)


def interfaces_to_query(name: str | None, networks: Sequence[Answer]) -> list[str]:
    """Return the interfaces of active networks, and without a name every interface with a socket.

    A network with a stack has no interface, but may have a socket.
    """
    if name is not None and not networks:
        return [name]
    active = [network for network in networks if network["state"] == "active"]
    stacks = {network["interface"] for network in active if has_stack(network)}
    served = set(served_interfaces())
    up = {network["interface"] for network in active} - (stacks - served)
    return sorted(up | served if name is None else up)


def has_stack(network: Answer) -> bool:
    """Return whether a network has a stack in place of an interface."""
    return bool(network["backend"] == "netstack")


def with_stacks(result: Survey, networks: Sequence[Answer]) -> Survey:
    """Give the devices of stacks, which have no link, the MTU and the addresses of their networks."""
    stacks = {network["interface"]: network for network in networks if has_stack(network)}
    return replace(result, interfaces=tuple(_with_stack(each, stacks.get(each.name)) for each in result.interfaces))


def _with_stack(interface: InterfaceStatus, network: Answer | None) -> InterfaceStatus:
    if network is None or interface.link is not None:
        return interface
    addresses = tuple(map(ip_interface, network["addresses"]))
    return replace(interface, link=LinkStatus(up=network["state"] == "active", mtu=network["mtu"], addresses=addresses))


def query_agent(socket: Path) -> Answer:
    """Return the agent's networks and conditions; empty without an agent, or if this user may not query it."""
    try:
        return request(socket, "list", timeout=AGENT_TIMEOUT_SECONDS)
    except WarrenError as error:
        if error.code != "agent.unavailable":
            report(str(error), error.hint)
    return {"networks": [], "conditions": []}


def peer_names(socket: Path, networks: Sequence[Answer]) -> dict[str, str]:
    """Return the configured names of peers by their public keys."""
    answers: list[Any] = []
    with suppress(WarrenError):  # the agent or a network may have stopped meanwhile
        answers += [request(socket, "peers", network["network"]) for network in networks]
    peers = (peer for answer in answers for peer in answer["peers"])
    return {peer["public_key"]: peer["name"] for peer in peers}


def _as_columns(result: Survey, networks: Sequence[Answer], names: Names, now: float) -> str:
    if not networks:
        return as_text(result.interfaces, now)
    parts = [network_lines({"networks": networks})]
    return "\n".join((*parts, *([as_text(result.interfaces, now, names)] if result.interfaces else [])))


def _as_table(result: Survey, networks: Sequence[Answer], names: Names, now: float) -> str:
    from warren.cli.status_table import as_table  # noqa: PLC0415, rich is slow to import

    return as_table(result.interfaces, now, networks=networks, names=names)


def exit_status(result: Survey, networks: Sequence[Answer] = ()) -> int:
    """Return the exit status that the help page documents."""
    codes = {error.code for error in result.failures.values()} - {"interface.stale"}
    if codes - {"interface.ended"}:
        return 1
    all_up = all(interface.is_up for interface in result.interfaces)
    all_active = all(network["state"] == "active" for network in networks if network["state"] != "uninitialized")
    is_any_up = bool(result.interfaces) or any(network["state"] == "active" for network in networks)
    return 0 if is_any_up and all_up and all_active and not codes else NOT_UP
