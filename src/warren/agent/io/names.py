"""Asks this host's resolver for endpoints, in threads of its own: one that hangs keeps nobody else's thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from warren.errors import FarSideError
from warren.tunnel.config import Endpoint
from warren.tunnel.io.resolver import resolve

THREADS = 4  # a resolver that is there answers in milliseconds; for one that is not, more threads wait no shorter


class Names:
    """The resolver, for one event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="resolve")

    async def look_up(self, endpoint: Endpoint) -> Endpoint:
        """Its address. Raises FarSideError."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, resolve, endpoint)
        except OSError as error:
            problem = f"the endpoint {endpoint} does not resolve: {error.strerror}"
            raise FarSideError(problem, code="endpoint.unresolved") from error

    def close(self) -> None:
        """Waits for nobody."""
        self._threads.shutdown(wait=False, cancel_futures=True)
