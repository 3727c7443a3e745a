"""Ask name servers from a socket with a mark, which the system's resolver cannot do."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path

from warren.clock import monotonic_seconds
from warren.config.parsers import IPAddress
from warren.errors import RemoteError
from warren.tunnel.config import Endpoint
from warren.tunnel.dns_message import MAX_MESSAGE, Answer, Code, Record, encode_question, parse_answer
from warren.tunnel.endpoint_dns import UpstreamServers, hosts_addresses

PORT = 53
ROUNDS = 2  # the attempts of resolv.conf(5)
TIMEOUT_SECONDS = 5.0  # the timeout of resolv.conf(5)


def look_up(endpoint: Endpoint, upstream: UpstreamServers, hosts: Path = Path("/etc/hosts")) -> tuple[Endpoint, ...]:
    """Return the addresses of an endpoint, from `hosts` or from the servers of `upstream`. May block.

    Addresses without a route come last; else IPv6 comes first (RFC 6724, section 2.1).

    Raises:
        RemoteError: The name does not resolve.
    """
    if endpoint.is_address:
        return (endpoint,)
    addresses = hosts_addresses(_text(hosts), endpoint.host) or _query_all(endpoint, upstream)
    best_first = sorted(addresses, key=lambda address: not _is_reachable(address, endpoint.port, upstream.mark))
    return tuple(Endpoint(str(address), endpoint.port) for address in best_first)


def _query_all(endpoint: Endpoint, upstream: UpstreamServers) -> tuple[IPAddress, ...]:
    failures = dict.fromkeys(upstream.servers, "")
    for server in upstream.servers * ROUNDS:
        try:
            answers = _query(server, endpoint.host, upstream.mark)
        except OSError as error:
            failures[server] = f"{server}: {error.strerror or 'no answer'}"
            continue
        addresses = tuple(address for answer in answers for address in answer.addresses)
        if addresses:
            return addresses
        failures[server] = f"{server}: {_as_text(answers)}"
        if all(answer.code in (Code.FOUND, Code.NO_SUCH_NAME) for answer in answers):
            break  # an authoritative answer: other servers would return the same
    reasons = ", ".join(filter(None, failures.values())) or "no name server of this host is reached without the network"
    raise RemoteError(f"the endpoint {endpoint} does not resolve: {reasons}", code="endpoint.unresolved")


def _as_text(answers: list[Answer]) -> str:
    codes = {answer.code for answer in answers}
    if Code.NO_SUCH_NAME in codes:
        return "there is no such name"
    return "the name has no address" if codes == {Code.FOUND} else f"it failed with code {max(codes)}"


def _query(server: IPAddress, name: str, mark: int) -> list[Answer]:
    """Return a server's answers for both kinds of addresses, IPv6 first. Raises OSError if it answers neither."""
    identities = {record: secrets.randbits(16) for record in Record}
    answers: dict[Record, Answer] = {}
    deadline = monotonic_seconds() + TIMEOUT_SECONDS
    with _connected(server, PORT, mark) as sock:
        for record, identity in identities.items():
            sock.send(encode_question(name, record, identity))
        with suppress(TimeoutError):
            while len(answers) < len(identities):
                sock.settimeout(max(deadline - monotonic_seconds(), 0.001))
                octets = sock.recv(MAX_MESSAGE)
                for record, identity in identities.items():
                    with suppress(ValueError):
                        answers[record] = parse_answer(octets, name, record, identity)
    if not answers:
        raise TimeoutError
    return [answers[record] for record in (Record.AAAA, Record.A) if record in answers]


def _is_reachable(address: IPAddress, port: int, mark: int) -> bool:
    try:
        with _connected(address, port, mark):
            return True
    except OSError:
        return False


def _connected(address: IPAddress, port: int, mark: int) -> socket.socket:
    """Return a UDP socket that receives from there alone. Raises OSError, also for a mark that is not permitted."""
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
        raise OSError(0, f"{os.name} does not support packet marks")
    return option


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
