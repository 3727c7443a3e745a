"""What a program says: as much as is kept, and the hash of all of it (V-72, V-73)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable


class Output:
    """One stream. `on_kept` is given each piece of what is kept, as it comes."""

    def __init__(self, max_bytes: int, on_kept: Callable[[bytes], None] | None = None) -> None:
        self._max_bytes = max_bytes
        self._on_kept = on_kept
        self._hash = hashlib.sha256()
        self._kept = bytearray()
        self.count = 0
        """Octets so far."""

    def feed(self, octets: bytes) -> None:
        """What has come."""
        self._hash.update(octets)
        kept = octets[: max(0, self._max_bytes - self.count)]
        self.count += len(octets)
        if kept:
            self._kept += kept
            if self._on_kept is not None:
                self._on_kept(kept)

    @property
    def is_truncated(self) -> bool:
        """Whether not all of it is kept."""
        return self.count > self._max_bytes

    @property
    def text(self) -> bytes:
        """Its beginning, with a last line that says so where it is not all."""
        if not self.is_truncated:
            return bytes(self._kept)
        return bytes(self._kept) + b"\n[cut: the first %d of %d octets]\n" % (len(self._kept), self.count)

    @property
    def sha256(self) -> str:
        """64 digits, of all of it."""
        return self._hash.hexdigest()


class Tail:
    """The end of a stream, and the hash of all of it."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._hash = hashlib.sha256()
        self._kept = b""

    def feed(self, octets: bytes) -> None:
        """What has come."""
        self._hash.update(octets)
        self._kept = (self._kept + octets)[-self._max_bytes :]

    @property
    def text(self) -> bytes:
        """As much as is kept."""
        return self._kept

    @property
    def sha256(self) -> str:
        """64 digits, of all of it."""
        return self._hash.hexdigest()
