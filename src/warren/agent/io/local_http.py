"""Open the local HTTP as configured: its listeners, and the access that they grant.

A listener that cannot be opened is logged and becomes a condition; the tunnels stay up (H-68).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from warren.agent.settings import HttpSettings
from warren.agent.subsystem import Subsystem
from warren.errors import HostError
from warren.http.auth import Access
from warren.http.io.listeners import HttpListener, TcpAddress, open_all, open_unix
from warren.http.io.own_names import own_names
from warren.http.io.server import Responder, serve
from warren.http.io.token_file import GROUP_MODE, OWNER_MODE, read_or_make_token
from warren.telemetry.conditions import Condition

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LocalHttp:
    """Hold the listeners that could be opened."""

    listeners: tuple[HttpListener, ...] = ()
    access: Access = Access()  # noqa: RUF009, frozen
    conditions: tuple[Condition, ...] = ()
    """Why the others could not be opened."""

    def subsystem(self) -> Subsystem:
        """Return the subsystem that reports what could not be opened."""
        return Subsystem("http", conditions=lambda: self.conditions)

    def servers(self, responder: Responder) -> Iterator[Subsystem]:
        """Return a server for each listener."""
        return (Subsystem(f"http {each.name}", partial(serve, each, responder)) for each in self.listeners)

    def tcp_addresses(self) -> Iterator[str]:
        """Yield the TCP addresses of the listeners."""
        return (listener.name for listener in self.listeners if not listener.trusted)


def open_http(settings: HttpSettings, gid: int | None) -> LocalHttp:
    """Open the local HTTP; `gid` is the group that may use its Unix socket and read its token."""
    if not settings.enabled:
        return LocalHttp()
    listeners, errors = open_all(tcp_addresses(settings))
    token = _open_token(settings.token, errors, gid, GROUP_MODE)
    admin_token = _open_token(settings.admin_token, errors, None, OWNER_MODE)
    try:
        listeners.append(open_unix(Path(settings.socket), gid))
    except HostError as error:
        errors.append(error)
    for failure in errors:
        log.error("http.open_failed", extra={"code": failure.code, "error": str(failure), "hint": failure.hint})
    names = own_names() | {name.lower().removesuffix(".") for name in settings.names}
    access = Access(token, admin_token, names, addresses=any(not address.is_loopback for address in settings.bind))
    conditions = (Condition.of_error(each, "http.refused") for each in errors)
    return LocalHttp(tuple(listeners), access, tuple(conditions))


def _open_token(path: str, errors: list[HostError], gid: int | None, mode: int) -> str | None:
    """Return the token in a file; None if it cannot be used, which is added to the errors."""
    try:
        return read_or_make_token(Path(path), gid, mode)
    except HostError as error:
        errors.append(error)
        return None


def tcp_addresses(settings: HttpSettings) -> Iterator[TcpAddress]:
    """Yield the TCP addresses to listen on."""
    return (TcpAddress(address, settings.port) for address in settings.bind)
