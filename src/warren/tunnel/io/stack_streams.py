"""Streams of a network stack as sockets. Bytes pass through a socket pair, never through calls.

The outcome of a dial is read before a transport is made, so that no byte of the connection is lost. All sockets are
non-blocking, and whoever gets one closes it.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from warren._core import Device
from warren.clock import wall_seconds
from warren.config.parsers import IPAddress
from warren.errors import RemoteError, Unreachable, redacted_repr
from warren.tunnel.config import canonical_address, host_findings
from warren.tunnel.stack_messages import OUTCOME_BYTES, Outcome, parse_outcome
from warren.tunnel.status import PeerStatus, peer_status

DIAL_SECONDS = 10.0
FAILURES: Mapping[Outcome, tuple[type[OSError], int, str]] = {
    Outcome.REFUSED: (ConnectionRefusedError, errno.ECONNREFUSED, "{to} refused the connection"),
    Outcome.TIMED_OUT: (TimeoutError, errno.ETIMEDOUT, "no answer from {to} in time"),
    Outcome.PROHIBITED: (PermissionError, errno.EACCES, "a policy forbids {to}"),
    Outcome.LIMIT: (OSError, errno.ENOBUFS, "too many connections at a time to dial {to}"),
    Outcome.CLOSED: (ConnectionAbortedError, errno.ECONNABORTED, "the node was closed"),
}


async def dial_stream(device: Device, host: str, port: int, timeout: float = DIAL_SECONDS) -> socket.socket:  # noqa: ASYNC109, the stack keeps it
    """Return a TCP connection to `host`, an address or a name, through the tunnel. Cancelling ends the dial.

    Raises ConnectionRefusedError, TimeoutError, PermissionError (policy), socket.gaierror, and Unreachable.
    """
    if not is_host(host):
        raise socket.gaierror(socket.EAI_NONAME, f"{redacted_repr(host)} is neither an address nor a host name")
    stream = socket.socket(fileno=device.dial(host, port, timeout))
    try:
        stream.setblocking(False)
        outcome = parse_outcome(await _receive_exactly(stream, OUTCOME_BYTES))
    except BaseException:
        stream.close()
        raise
    if outcome is Outcome.CONNECTED:
        return stream
    stream.close()
    raise dial_error(outcome, host, port, device)


async def _receive_exactly(stream: socket.socket, count: int) -> bytes:
    """Return `count` bytes, or fewer if the input ends before."""
    loop, octets = asyncio.get_running_loop(), b""
    while len(octets) < count:
        received = await loop.sock_recv(stream, count - len(octets))
        if not received:
            break
        octets += received
    return octets


def dial_error(outcome: Outcome, host: str, port: int, device: Device) -> OSError | Unreachable:
    """Return the error for a dial that failed."""
    to = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if outcome is Outcome.UNKNOWN_NAME:
        return socket.gaierror(socket.EAI_NONAME, f"{host} has no address")
    if outcome in FAILURES:
        kind, number, problem = FAILURES[outcome]
        return kind(number, problem.format(to=to))
    return unreachable(to, host, device)


async def dial_for_client(device: Device, host: str, port: int) -> socket.socket:
    """Return a connection as `dial_stream` does, for a client in another process. Raises RemoteError."""
    try:
        return await dial_stream(device, host, port)
    except OSError as error:
        raise _client_error(error) from error


def _client_error(error: OSError) -> RemoteError:
    match error:
        case ConnectionRefusedError():
            code = "dial.refused"
        case TimeoutError():
            code = "dial.timed_out"
        case PermissionError():
            code = "dial.forbidden"
        case socket.gaierror():
            code = "name.unresolved"
        case _:
            code = "dial.failed"
    return RemoteError(error.strerror or str(error), code=code, errno=error.errno)


def is_host(host: str) -> bool:
    """Return True for an address, and for a name that DNS can hold."""
    return next(host_findings(host), None) is None


async def resolve_name(device: Device, name: str) -> tuple[IPAddress, ...]:
    """Return the addresses of a name by the rules of the stack's DNS; an address is itself. Raises socket.gaierror."""
    if (address := canonical_address(name)) is not None:
        return (ip_address(address),)
    addresses = await asyncio.to_thread(device.resolve, name) if is_host(name) else ()
    if not addresses:
        raise socket.gaierror(socket.EAI_NONAME, f"{redacted_repr(name)} has no address")
    return tuple(map(ip_address, addresses))


def unreachable(to: str, host: str, device: Device) -> Unreachable:
    """Return the error for an address that no peer leads to, or whose peer does not lead further."""
    address = canonical_address(host)
    peer = None if address is None else _peer_for(ip_address(address), [*map(peer_status, device.status().peers)])
    if peer is None:
        reason = "no peer has it in its allowed IPs" if address is not None else "none of its addresses can be reached"
        return Unreachable(f"{to} is unreachable: {reason}")
    age = peer.handshake_age_seconds(wall_seconds())
    since = "without a handshake so far" if age is None else f"whose last handshake was {age:.0f} s ago"
    return Unreachable(
        f"{to} is unreachable through the peer {peer.public_key}, {since}",
        peer=str(peer.public_key),
        handshake_age_seconds=age,
    )


def _peer_for(address: IPAddress, peers: Sequence[PeerStatus]) -> PeerStatus | None:
    """Return the peer with the longest prefix that contains an address."""
    prefixes = ((prefix.prefixlen, peer) for peer in peers for prefix in peer.allowed_ips if address in prefix)
    return max(prefixes, key=lambda found: found[0], default=(0, None))[1]
