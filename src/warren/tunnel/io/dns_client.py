"""Asks name servers itself, from a socket with a mark: what the system's resolver cannot be told."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path

from warren.clock import monotonic_seconds
from warren.errors import RemoteError
from warren.tunnel.config import Endpoint
from warren.tunnel.dns_message import MAX_MESSAGE, Answer, Code, Record, encode_question, parse_answer
from warren.tunnel.endpoint_dns import UpstreamServers
from warren.tunnel.hosts import hosts_addresses
from warren.tunnel.network import IPAddress

PORT = 53
ROUNDS = 2  # as resolv.conf(5) has it
PATIENCE_SECONDS = 5.0


def look_up(endpoint: Endpoint, outside: UpstreamServers, hosts: Path = Path("/etc/hosts")) -> Endpoint:
    """The address of an endpoint's name, by `hosts` or by the servers of `outside`; an address is its own. May block.

    The first that this host has a route to; IPv6 comes first (RFC 6724, section 2.1). Raises RemoteError.
    """
    if endpoint.is_address:
        return endpoint
    addresses = hosts_addresses(_text(hosts), endpoint.host) or _ask_all(endpoint, outside)
    reached = (address for address in addresses if _is_reached(address, endpoint.port, outside.mark))
    return Endpoint(str(next(reached, addresses[0])), endpoint.port)


def _ask_all(endpoint: Endpoint, outside: UpstreamServers) -> tuple[IPAddress, ...]:
    said = dict.fromkeys(outside.servers, "")
    for server in outside.servers * ROUNDS:
        try:
            answers = _ask(server, endpoint.host, outside.mark)
        except OSError as error:
            said[server] = f"{server}: {error.strerror or 'no answer'}"
            continue
        addresses = tuple(address for answer in answers for address in answer.addresses)
        if addresses:
            return addresses
        said[server] = f"{server}: {_in_words(answers)}"
        if all(answer.code in (Code.FOUND, Code.NO_SUCH_NAME) for answer in answers):
            break  # which no other server would know better
    reasons = ", ".join(filter(None, said.values())) or "no name server of this host is reached without the network"
    raise RemoteError(f"the endpoint {endpoint} does not resolve: {reasons}", code="endpoint.unresolved")


def _in_words(answers: list[Answer]) -> str:
    codes = {answer.code for answer in answers}
    if Code.NO_SUCH_NAME in codes:
        return "there is no such name"
    return "the name has no address" if codes == {Code.FOUND} else f"it failed with code {max(codes)}"


def _ask(server: IPAddress, name: str, mark: int) -> list[Answer]:
    """What a server says of both kinds of addresses, IPv6 first. Raises OSError if it says nothing of either."""
    asked = {record: secrets.randbits(16) for record in Record}
    answers: dict[Record, Answer] = {}
    deadline = monotonic_seconds() + PATIENCE_SECONDS
    with _connected(server, PORT, mark) as sock:
        for record, identity in asked.items():
            sock.send(encode_question(name, record, identity))
        with suppress(TimeoutError):
            while len(answers) < len(asked):
                sock.settimeout(max(deadline - monotonic_seconds(), 0.001))
                octets = sock.recv(MAX_MESSAGE)
                for record, identity in asked.items():
                    with suppress(ValueError):
                        answers[record] = parse_answer(octets, name, record, identity)
    if not answers:
        raise TimeoutError
    return [answers[record] for record in (Record.AAAA, Record.A) if record in answers]


def _is_reached(address: IPAddress, port: int, mark: int) -> bool:
    try:
        with _connected(address, port, mark):
            return True
    except OSError:
        return False


def _connected(address: IPAddress, port: int, mark: int) -> socket.socket:
    """A UDP socket that hears from there alone. Raises OSError, also for a mark that may not be set."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if mark:
            sock.setsockopt(socket.SOL_SOCKET, _mark_option(), mark)
        sock.connect((str(address), port))
    except BaseException:
        sock.close()
        raise
    return sock


def _mark_option() -> int:
    option = getattr(socket, "SO_MARK", None)
    if not isinstance(option, int):
        raise OSError(0, f"packets have no marks on {os.name}")
    return option


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
