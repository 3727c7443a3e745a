"""Address searches at a running interface: on a thread beside a program, or in the foreground for a short time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from warren.clock import monotonic_seconds, wall_seconds
from warren.errors import InterfaceError, WarrenError
from warren.tunnel.address_search import MAX_INTERVAL_SECONDS, AddressSearch
from warren.tunnel.io.apply import Engine
from warren.tunnel.status import PeerStatus

Observe = Callable[[], tuple[PeerStatus, ...]]
"""Returns the status of the peers; raises InterfaceError once the interface is gone."""
FOREGROUND_SECONDS = 15.0
"""A peer with one dead address is reached after about 6 s, and one with three after about 20 s (decision 0044)."""
FOREGROUND_POLL_SECONDS = 0.1
"""How long somebody waits for a peer that has answered at once."""


class BackgroundSearch:
    """An address search on a thread of its own, until it is stopped or the interface is gone."""

    def __init__(self, search: AddressSearch, engine: Engine, observe: Observe) -> None:
        self._search, self._engine, self._observe = search, engine, observe
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"addresses of {engine.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and return when the engine is left alone."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        wait_seconds = 0.0
        while not self._stopped.wait(wait_seconds):
            try:
                wait_seconds = take_step(self._search, self._engine, self._observe)
            except InterfaceError:
                return
            except WarrenError:  # a shortage of the host: the next step may succeed
                wait_seconds = MAX_INTERVAL_SECONDS


def take_step(search: AddressSearch, engine: Engine, observe: Observe) -> float:
    """Observe, change the endpoints that are to be changed, and return how long to wait. Raises WarrenError."""
    change = search.observe(observe(), monotonic_seconds(), wall_seconds())
    if change is not None:
        engine.configure(change)
        search.observe(observe(), monotonic_seconds(), wall_seconds())
    return search.wait_seconds(monotonic_seconds())


def search_in_foreground(search: AddressSearch, engine: Engine, observe: Observe) -> None:
    """Search until nothing more is learnt without traffic, for FOREGROUND_SECONDS at most. Raises WarrenError."""
    end = monotonic_seconds() + FOREGROUND_SECONDS
    while search.is_needed and monotonic_seconds() < end:
        wait_seconds = take_step(search, engine, observe)
        if search.is_complete():
            return
        time.sleep(min(wait_seconds, FOREGROUND_POLL_SECONDS))
