"""Turns endpoints with a name into endpoints with an address, by this host's resolver."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from dataclasses import replace
from functools import partial

from warren.errors import RemoteError
from warren.tunnel.config import Endpoint, InterfaceConfig, PeerConfig
from warren.tunnel.endpoint_dns import UpstreamServers
from warren.tunnel.io.dns_client import look_up


def resolve_endpoints(config: InterfaceConfig) -> InterfaceConfig:
    """`config` with addresses for names; each name is asked once. Raises RemoteError with every name that failed."""
    named = {peer.endpoint for peer in config.peers if peer.endpoint and not peer.endpoint.is_address}
    found: dict[Endpoint, Endpoint] = {}
    failures: list[str] = []
    for endpoint in sorted(named, key=str):
        try:
            found[endpoint] = resolve(endpoint)
        except OSError as error:
            failures.append(_failure(endpoint, error))
    if failures:
        raise RemoteError("\n".join(failures), code="endpoint.unresolved")
    return replace(config, peers=tuple(_with_address(peer, found) for peer in config.peers))


def resolve(endpoint: Endpoint) -> Endpoint:
    """The first address that the resolver gives, which is the one that this host can reach best (RFC 6724)."""
    _, _, _, _, address = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_DGRAM)[0]
    host, port, *rest = address
    # For IPv6 what follows is the flow label and the number of the zone.
    zone = rest[1] if len(rest) > 1 else 0
    host = str(host).partition("%")[0]
    return Endpoint(f"{host}%{zone}" if zone else host, int(port))


async def resolve_soon(endpoint: Endpoint, outside: UpstreamServers | None = None) -> Endpoint:
    """The address of an endpoint while the loop goes on: by the system's resolver, or by the servers of `outside`.

    Raises RemoteError.

    The system's resolver cannot be told to stop, so it is asked in a thread that neither the loop nor the interpreter
    waits for: a name server that does not answer delays no shutdown.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Endpoint] = loop.create_future()

    def ask() -> None:
        try:
            found = resolve(endpoint) if outside is None else look_up(endpoint, outside)
        except RemoteError as error:
            tell = partial(_settle, answer, error)
        except OSError as error:
            failure = RemoteError(_failure(endpoint, error), code="endpoint.unresolved")
            tell = partial(_settle, answer, failure)
        else:
            tell = partial(_settle, answer, found)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell)

    threading.Thread(target=ask, name=f"resolve {endpoint.host}", daemon=True).start()
    return await answer


def _settle(answer: asyncio.Future[Endpoint], result: Endpoint | RemoteError) -> None:
    if answer.cancelled():
        return
    if isinstance(result, RemoteError):
        answer.set_exception(result)
    else:
        answer.set_result(result)


def _failure(endpoint: Endpoint, error: OSError) -> str:
    return f"the endpoint {endpoint} does not resolve: {error.strerror}"


def _with_address(peer: PeerConfig, found: dict[Endpoint, Endpoint]) -> PeerConfig:
    return peer if peer.endpoint is None else replace(peer, endpoint=found.get(peer.endpoint, peer.endpoint))
