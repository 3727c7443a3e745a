"""Open the local HTTP as configured: its listeners, and the access that they grant.

What cannot be opened is logged, becomes a condition and is tried again; the tunnels stay up (H-68).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from warren.agent.settings import HttpSettings
from warren.agent.subsystem import Subsystem
from warren.http.auth import Access
from warren.http.io.listeners import HttpListener, TcpAddress, is_missing_ipv6, open_tcp, open_unix
from warren.http.io.opening import Opening
from warren.http.io.own_names import own_names
from warren.http.io.server import Responder, serve
from warren.http.io.token_file import GROUP_MODE, OWNER_MODE, read_or_make_token
from warren.telemetry.conditions import Condition


class LocalHttp:
    """The listeners and tokens of the local HTTP, opened or still to be opened."""

    def __init__(
        self,
        listeners: Sequence[Opening[HttpListener]] = (),
        token: Opening[str] | None = None,
        admin_token: Opening[str] | None = None,
        names: frozenset[str] = frozenset(),
        *,
        addresses: bool = False,
    ) -> None:
        """`names` and `addresses` are those of `Access`."""
        self._listeners = listeners
        self._token, self._admin_token = token, admin_token
        self._names, self._addresses = names, addresses

    def access(self) -> Access:
        """Return what requests must present now."""
        token, admin_token = (None if each is None else each.opened for each in (self._token, self._admin_token))
        return Access(token, admin_token, self._names, addresses=self._addresses)

    def subsystem(self) -> Subsystem:
        """Return the subsystem that opens the tokens, and reports what could not be opened."""
        return Subsystem("http", self._open_tokens, self._conditions)

    def servers(self, responder: Responder) -> Iterator[Subsystem]:
        """Return a server for each listener."""
        return (Subsystem(f"http {each.name}", partial(_serve, each, responder)) for each in self._listeners)

    def tcp_addresses(self) -> Iterator[str]:
        """Yield the TCP addresses that are listened on."""
        opened = (each.opened for each in self._listeners)
        return (listener.name for listener in opened if listener is not None and not listener.trusted)

    async def _open_tokens(self) -> None:
        await asyncio.gather(*(each.wait() for each in self._tokens()))

    def _tokens(self) -> Iterator[Opening[str]]:
        return (each for each in (self._token, self._admin_token) if each is not None)

    def _conditions(self) -> Iterator[Condition]:
        problems = (*(each.problem for each in self._listeners), *(each.problem for each in self._tokens()))
        yield from (Condition.of_error(problem, "http.refused") for problem in problems if problem is not None)


async def _serve(listener: Opening[HttpListener], responder: Responder) -> None:
    await serve(await listener.wait(), responder)


def open_http(settings: HttpSettings, gid: int | None) -> LocalHttp:
    """Open the local HTTP; `gid` is the group that may use its Unix socket and read its token."""
    if not settings.enabled:
        return LocalHttp()
    token = Opening(settings.token, lambda: read_or_make_token(Path(settings.token), gid, GROUP_MODE))
    admin_token = Opening(
        settings.admin_token, lambda: read_or_make_token(Path(settings.admin_token), None, OWNER_MODE)
    )
    listeners = [
        *_open_tcp_listeners(settings),
        Opening(settings.socket, lambda: open_unix(Path(settings.socket), gid)),
    ]
    for each in (token, admin_token, listeners[-1]):
        each.attempt()
    names = own_names() | {name.lower().removesuffix(".") for name in settings.names}
    addresses = any(not address.is_loopback for address in settings.bind)
    return LocalHttp(listeners, token, admin_token, names, addresses=addresses)


def _open_tcp_listeners(settings: HttpSettings) -> Iterator[Opening[HttpListener]]:
    """Yield the TCP listeners. The loopback of IPv6 is none on a host without IPv6."""
    for address in tcp_addresses(settings):
        listener = Opening(str(address), partial(open_tcp, address))
        listener.attempt()
        if not is_missing_ipv6(address, listener.problem):
            yield listener


def tcp_addresses(settings: HttpSettings) -> Iterator[TcpAddress]:
    """Yield the TCP addresses to listen on."""
    return (TcpAddress(address, settings.port) for address in settings.bind)
