"""The captured output of a program: a part of it, and the hash of all of it (V-72, V-73).

Secrets are masked as the output arrives, before it is cut, passed on or hashed: a hash of a short secret tells it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from warren.commands.secret_mask import SecretMask


class OutputCapture:
    """The beginning of a stream. `on_kept` takes each piece that is kept, as it arrives."""

    def __init__(
        self, max_bytes: int, on_kept: Callable[[bytes], None] | None = None, secrets: Sequence[bytes] = ()
    ) -> None:
        self._max_bytes = max_bytes
        self._on_kept = on_kept
        self._mask = SecretMask(secrets)
        self._hash = hashlib.sha256()
        self._kept = bytearray()
        self.count = 0
        """The number of octets so far, with secrets masked."""

    def feed(self, octets: bytes) -> None:
        """Append octets."""
        self._append(self._mask.feed(octets))

    def end(self) -> None:
        """Append what the mask still holds. Call it at the end of the stream."""
        self._append(self._mask.end())

    def _append(self, octets: bytes) -> None:
        self._hash.update(octets)
        kept = octets[: max(0, self._max_bytes - self.count)]
        self.count += len(octets)
        if kept:
            self._kept += kept
            if self._on_kept is not None:
                self._on_kept(kept)

    @property
    def is_truncated(self) -> bool:
        """True if the stream is longer than what is kept."""
        return self.count > self._max_bytes

    @property
    def text(self) -> bytes:
        """The octets that are kept, with a mark at the end if the stream is longer."""
        if not self.is_truncated:
            return bytes(self._kept)
        return bytes(self._kept) + b"\n[truncated: the first %d of %d octets]\n" % (len(self._kept), self.count)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the whole stream, 64 digits."""
        return self._hash.hexdigest()


class TailCapture:
    """The end of a stream."""

    def __init__(self, max_bytes: int, secrets: Sequence[bytes] = ()) -> None:
        self._max_bytes = max_bytes
        self._mask = SecretMask(secrets)
        self._hash = hashlib.sha256()
        self._kept = b""

    def feed(self, octets: bytes) -> None:
        """Append octets."""
        self._append(self._mask.feed(octets))

    def end(self) -> None:
        """Append what the mask still holds. Call it at the end of the stream."""
        self._append(self._mask.end())

    def _append(self, octets: bytes) -> None:
        self._hash.update(octets)
        self._kept = (self._kept + octets)[-self._max_bytes :]

    @property
    def text(self) -> bytes:
        """The octets that are kept."""
        return self._kept

    @property
    def sha256(self) -> str:
        """The SHA-256 of the whole stream, 64 digits."""
        return self._hash.hexdigest()
