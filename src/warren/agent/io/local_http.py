"""The local HTTP as the configuration wants it: its doors, and who may come in.

What cannot be opened is told, in the log and as a condition of health; the tunnels stay up (H-68).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from warren.agent.settings import HttpSettings
from warren.errors import HostError
from warren.http.auth import Access
from warren.http.io.listeners import HttpListener, TcpAddress, open_each, open_unix
from warren.http.io.token_file import read_or_make_token
from warren.telemetry.conditions import Condition

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LocalHttp:
    """What could be opened."""

    doors: tuple[HttpListener, ...] = ()
    access: Access = Access()  # noqa: RUF009, frozen
    conditions: tuple[Condition, ...] = ()
    """Why the rest could not."""


def open_http(settings: HttpSettings, gid: int | None) -> LocalHttp:
    """Opens it; `gid` is the group that may use its Unix socket and read its token."""
    if not settings.enabled:
        return LocalHttp()
    doors, refusals = open_each(addresses_of(settings))
    token = None
    try:
        token = read_or_make_token(Path(settings.token), gid)
    except HostError as error:
        refusals.append(error)
    try:
        doors.append(open_unix(Path(settings.socket), gid))
    except HostError as error:
        refusals.append(error)
    for refusal in refusals:
        log.error("http.refused", extra={"code": refusal.code, "error": str(refusal), "hint": refusal.hint})
    access = Access(token, addresses=any(not address.is_loopback for address in settings.bind))
    conditions = (Condition.of_error(refusal, "http.refused") for refusal in refusals)
    return LocalHttp(tuple(doors), access, tuple(conditions))


def addresses_of(settings: HttpSettings) -> Iterator[TcpAddress]:
    """Where it is to listen."""
    return (TcpAddress(address, settings.port) for address in settings.bind)
