"""Networks and their peers as text, from the answers of the agent's socket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from warren.cli.format import format_age, format_bytes
from warren.terminal import visible_line, visible_members
from warren.tunnel.lifecycle import State

NO_NETWORK = "the agent has no networks"
NETWORK_TITLES = ("network", "state", "health", "interface", "backend", "peers", "received", "sent")
PEER_TITLES = (
    "peer",
    "health",
    "endpoint",
    "allowed IPs",
    "handshake",
    "latency",
    "loss",
    "path MTU",
    "received",
    "sent",
)

Answer = Mapping[str, Any]


def _shown(answer: Answer) -> Answer:
    """Return an answer whose texts, which may be of others, control no terminal."""
    return {visible_line(name): visible_members(member) for name, member in answer.items()}


def network_line(answer: Answer) -> str:
    """Return the state of one network as a line."""
    answer = _shown(answer)
    where = f" on {answer['interface']}" if answer.get("interface") and answer["state"] != State.STOPPED else ""
    return f"{answer['network']} is {answer['state']}{where}"


def network_lines(answer: Answer) -> str:
    """Return a table of all networks, with their problems and those of the agent below it."""
    answer = _shown(answer)
    networks, conditions = answer["networks"], answer.get("conditions", ())
    lines = columns([NETWORK_TITLES, *map(network_cells, networks)]) if networks else [NO_NETWORK]
    messages = (f"the agent: {condition['message']}" for condition in conditions)
    return "".join(f"{line}\n" for line in (*lines, *network_problems(networks), *messages))


def network_problems(networks: Sequence[Answer]) -> Iterator[str]:
    """Yield a line for each error and warning of networks."""
    for network in map(_shown, networks):
        if network["error"]:
            yield f"{network['network']}: {network['error']}"
        yield from (f"{network['network']}: {warning}" for warning in network["warnings"])


def network_cells(network: Answer) -> tuple[str, ...]:
    """Return the row of a network, in the order of NETWORK_TITLES."""
    network = _shown(network)
    peers, traffic = network["peers"], network["traffic"]
    return (
        network["network"],
        network["state"],
        network["health"],
        network["interface"],
        network["backend"],
        peer_counts(peers),
        format_bytes(traffic["rx_bytes"]),
        format_bytes(traffic["tx_bytes"]),
    )


def peer_counts(peers: Mapping[str, int]) -> str:
    """Return how many peers are healthy, and how many are waiting, which are neither healthy nor unhealthy."""
    waiting = f", {peers['waiting']} waiting" if peers["waiting"] else ""
    return f"{peers['healthy']} of {peers['total']}{waiting}"


def peer_lines(answer: Answer, now: float) -> str:
    """Return a table of all peers of a network, with unresolved endpoints and addresses without an answer below it."""
    answer = _shown(answer)
    peers = answer["peers"]
    if not peers:
        return f"{answer['network']} has no peers\n"
    lines = columns([PEER_TITLES, *(_peer_cells(peer, now) for peer in peers)])
    pending = (f"{peer['name']}: {peer['pending']}" for peer in peers if peer["pending"])
    tried = (f"{peer['name']}: no answer from {', '.join(peer['tried'])}" for peer in peers if peer["tried"])
    return "".join(f"{line}\n" for line in (*lines, *pending, *tried))


def _peer_cells(peer: Answer, now: float) -> tuple[str, ...]:
    handshake, latency, loss = peer["latest_handshake"], peer["latency_seconds"], peer["loss_rate"]
    return (
        peer["name"],
        peer["health"],
        peer["endpoint"] or "unknown",
        ", ".join(peer["allowed_ips"]) or "none",
        format_age(None if handshake is None else max(0.0, now - handshake)),
        "unknown" if latency is None else f"{latency * 1000:.1f} ms",
        "unknown" if loss is None else f"{loss:.0%}",
        _path_mtu(peer["path_mtu"]),
        format_bytes(peer["rx_bytes"]),
        format_bytes(peer["tx_bytes"]),
    )


def _path_mtu(path: Answer | None) -> str:
    """Return a path MTU, how it was found and how long ago it was confirmed, or why it is unknown."""
    if path is None:
        return "off"
    match path["source"]:
        case "probed":
            return f"{path['mtu']} (probed, {format_age(path['age_seconds'])})"
        case "route":
            return f"{path['mtu']} (from the route)"
        case _:
            return f"unknown ({(path['reason'] or '').replace('_', ' ')})"


def columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield rows as aligned lines, each cell in full."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
