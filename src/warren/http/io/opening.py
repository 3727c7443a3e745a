"""Open what an endpoint needs, and try again by backoff until it can be opened: a listener, a token file.

A port may be in use, an address may come with its link, a directory may be full: none of that ends the agent, each is a
condition with its cause, and nobody has to restart anything afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Generic, TypeVar

from warren.backoff import Backoff, BackoffPolicy
from warren.clock import monotonic_seconds
from warren.errors import HostError, WarrenError

T = TypeVar("T")
RETRY = BackoffPolicy.exponential(1.0, 30.0)
"""Before the next attempt. A lasting cause is tried again too: a person may remove it at any time."""

log = logging.getLogger(__name__)


class Opening(Generic[T]):
    """One thing to open. `open_once` raises HostError."""

    def __init__(self, name: str, open_once: Callable[[], T], retry: BackoffPolicy = RETRY) -> None:
        """Begin without an attempt; `name` is for the log."""
        self.name = name
        self.opened: T | None = None
        self._open_once = open_once
        self._backoff = Backoff(retry, random.random)

    @property
    def problem(self) -> WarrenError | None:
        """Return why the last attempt failed; None if none has, or once it is open."""
        return self._backoff.cause

    def attempt(self) -> T | None:
        """Try once; return None, with `problem`, if it cannot be opened. The same cause is logged once."""
        try:
            self.opened = self._open_once()
        except HostError as error:
            if str(error) != str(self.problem):
                fields = {"of": self.name, "code": error.code, "error": str(error), "hint": error.hint}
                log.error("http.open_failed", extra=fields)  # noqa: TRY400, no traceback
            self._backoff.fail(error, monotonic_seconds())
        else:
            self._backoff.reset()
        return self.opened

    async def wait(self) -> T:
        """Return what was opened, after as many attempts as it takes."""
        while self.opened is None:
            await asyncio.sleep(self._backoff.remaining_seconds(monotonic_seconds()))
            if self.attempt() is not None:
                log.info("http.opened", extra={"of": self.name})
        return self.opened
