"""What a command says while it is under way, for whoever wants to follow it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

MAX_KEPT = 65_536  # as much as a result keeps; who follows gets the rest as it comes
MAX_PIECE = 32_768  # of one answer


@dataclass(frozen=True, slots=True)
class Piece:
    """What was said from `offset` on."""

    offset: int
    """Greater than what was asked for where that is kept no more."""
    octets: bytes
    has_ended: bool

    @property
    def next(self) -> int:
        """Where to go on."""
        return self.offset + len(self.octets)


class OutputBuffer:
    """The last octets of it, and how many there were."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._said = 0
        self._has_ended = False
        self._changed = asyncio.Event()

    def feed(self, octets: bytes) -> None:
        """More was said."""
        self._kept += octets
        self._said += len(octets)
        del self._kept[:-MAX_KEPT]
        self._changed.set()

    def end(self) -> None:
        """Nothing more comes."""
        self._has_ended = True
        self._changed.set()

    async def after(self, offset: int, seconds: float) -> Piece:
        """What comes next, at once if it is there, else as soon as it is, and empty after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while offset >= self._said and not self._has_ended:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        first = self._said - len(self._kept)
        start = min(max(offset, first), self._said)
        octets = bytes(self._kept[start - first :][:MAX_PIECE])
        return Piece(start, octets, self._has_ended and start + len(octets) == self._said)
