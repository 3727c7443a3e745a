"""Resolve endpoint names to addresses, by this host's resolver or by name servers of its own (endpoint_dns.py)."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from warren.errors import RemoteError
from warren.tunnel.config import Endpoint, InterfaceConfig, PeerConfig
from warren.tunnel.endpoint_dns import UpstreamServers
from warren.tunnel.io.dns_client import look_up


def resolve_endpoints(config: InterfaceConfig) -> InterfaceConfig:
    """Return `config` with addresses for names; each name is resolved once.

    Raises:
        RemoteError: Some names do not resolve; it lists every one of them.
    """
    named = {peer.endpoint for peer in config.peers if peer.endpoint and not peer.endpoint.is_address}
    addresses: dict[Endpoint, Endpoint] = {}
    failures: list[str] = []
    for endpoint in sorted(named, key=str):
        try:
            addresses[endpoint] = resolve(endpoint)[0]
        except OSError as error:
            failures.append(_failure(endpoint, error))
    if failures:
        raise RemoteError("\n".join(failures), code="endpoint.unresolved")
    return replace(config, peers=tuple(_with_address(peer, addresses) for peer in config.peers))


def resolve(endpoint: Endpoint) -> tuple[Endpoint, ...]:
    """Return the addresses of the system's resolver; the first is the one that this host can reach best (RFC 6724)."""
    found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_DGRAM)
    return tuple(dict.fromkeys(_endpoint(address) for *_, address in found))


def _endpoint(address: Sequence[object]) -> Endpoint:
    host, port, *rest = address
    # For IPv6 the rest is the flow label and the number of the zone.
    zone = rest[1] if len(rest) > 1 else 0
    host = str(host).partition("%")[0]
    return Endpoint(f"{host}%{zone}" if zone else host, int(str(port)))


async def resolve_soon(endpoint: Endpoint, upstream: UpstreamServers | None = None) -> tuple[Endpoint, ...]:
    """Return the addresses of an endpoint, the best first, without blocking the loop.

    They are those of the system's resolver, or of the servers of `upstream`.

    The system's resolver cannot be cancelled. It runs in a thread that neither the loop nor the interpreter waits for,
    so a name server that does not answer delays no shutdown.

    Raises:
        RemoteError: The name does not resolve.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[Endpoint, ...]] = loop.create_future()

    def run() -> None:
        try:
            addresses = resolve(endpoint) if upstream is None else look_up(endpoint, upstream)
        except RemoteError as error:
            settle = partial(_settle, answer, error)
        except OSError as error:
            failure = RemoteError(_failure(endpoint, error), code="endpoint.unresolved")
            settle = partial(_settle, answer, failure)
        else:
            settle = partial(_settle, answer, addresses)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle)

    threading.Thread(target=run, name=f"resolve {endpoint.host}", daemon=True).start()
    return await answer


def _settle(answer: asyncio.Future[tuple[Endpoint, ...]], result: tuple[Endpoint, ...] | RemoteError) -> None:
    if answer.cancelled():
        return
    if isinstance(result, RemoteError):
        answer.set_exception(result)
    else:
        answer.set_result(result)


def _failure(endpoint: Endpoint, error: OSError) -> str:
    return f"the endpoint {endpoint} does not resolve: {error.strerror}"


def _with_address(peer: PeerConfig, addresses: dict[Endpoint, Endpoint]) -> PeerConfig:
    return peer if peer.endpoint is None else replace(peer, endpoint=addresses.get(peer.endpoint, peer.endpoint))
