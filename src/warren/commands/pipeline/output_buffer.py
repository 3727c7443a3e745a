"""The output of a command while it runs, for clients that tail it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

MAX_KEPT = 65_536  # as much as a result keeps
MAX_CHUNK = 32_768  # of one answer


@dataclass(frozen=True, slots=True)
class OutputChunk:
    """The output from `offset` on."""

    offset: int
    """Greater than the requested offset if that is no longer kept."""
    octets: bytes
    has_ended: bool

    @property
    def next(self) -> int:
        """The offset of the next chunk."""
        return self.offset + len(self.octets)


class OutputBuffer:
    """Keeps the last octets, and the count of all."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._count = 0
        self._has_ended = False
        self._changed = asyncio.Event()

    def feed(self, octets: bytes) -> None:
        """Append octets."""
        self._kept += octets
        self._count += len(octets)
        del self._kept[:-MAX_KEPT]
        self._changed.set()

    def end(self) -> None:
        """Mark the end of the output."""
        self._has_ended = True
        self._changed.set()

    async def after(self, offset: int, seconds: float) -> OutputChunk:
        """Return the chunk at `offset`, as soon as there is one; an empty one after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while offset >= self._count and not self._has_ended:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        first = self._count - len(self._kept)
        start = min(max(offset, first), self._count)
        octets = bytes(self._kept[start - first :][:MAX_CHUNK])
        return OutputChunk(start, octets, self._has_ended and start + len(octets) == self._count)
