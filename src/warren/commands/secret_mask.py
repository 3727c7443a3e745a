"""Replace secrets in octets that arrive in pieces, before anything is cut, hashed or shown.

1. All occurrences are replaced, also those that overlap, and one that is split between pieces.
2. A piece that may begin a secret is held back until the next one tells. What is still held at the end is replaced,
   too, unless it is too short to tell anything: the writer was perhaps stopped in the middle.
3. A secret is also found as JSON writes it.

Whoever cuts the masked octets may cut a mask, and never a secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

MASK = b"***"
MIN_MASKED = 4  # masking a shorter one would hide half of every text, and no password is so short


class SecretMask:
    """Mask one stream of octets."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self._secrets = sorted({form for secret in secrets for form in _forms(secret) if len(form) >= MIN_MASKED})
        self._held = b""
        """The octets that may begin a secret."""
        self._covered = 0
        """How many of them belong to a secret whose mask was returned."""

    def feed(self, octets: bytes) -> bytes:
        """Return the masked octets that can be shown so far."""
        if not self._secrets:
            return octets
        text = self._held + octets
        return self._mask(text, min((_start_of_rest(text, secret) for secret in self._secrets), default=len(text)))

    def end(self) -> bytes:
        """Return the rest."""
        if any(_tells(self._held, secret) for secret in self._secrets):
            shown = b"" if self._covered else MASK
            self._held, self._covered = b"", 0
            return shown
        return self._mask(self._held, len(self._held))

    def _mask(self, text: bytes, end: int) -> bytes:
        """Return the text up to `end` with masks, and hold the rest."""
        shown, at = [], self._covered
        for start, stop in self._spans(text):
            if start >= end:
                break
            if start >= at:
                shown += [text[at:start], MASK]
            at = max(at, stop)
        shown.append(text[at:end])
        self._held, self._covered = text[end:], max(0, at - end)
        return b"".join(shown)

    def _spans(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield each occurrence of a secret, in the order of their starts."""
        found = [(start, start + len(secret)) for secret in self._secrets for start in _occurrences(text, secret)]
        yield from sorted(found)


def mask_secrets(text: str, secrets: Sequence[bytes]) -> str:
    """Return the text without any of the secrets."""
    mask = SecretMask(secrets)
    return (mask.feed(text.encode(errors="replace")) + mask.end()).decode(errors="replace")


def _forms(secret: bytes) -> Iterator[bytes]:
    """Yield the secret as it is, and as JSON writes it."""
    yield secret
    text = secret.decode(errors="replace")
    yield json.dumps(text)[1:-1].encode()
    yield json.dumps(text, ensure_ascii=False)[1:-1].encode(errors="replace")


def _occurrences(text: bytes, secret: bytes) -> Iterator[int]:
    start = text.find(secret)
    while start >= 0:
        yield start
        start = text.find(secret, start + 1)


def _start_of_rest(text: bytes, secret: bytes) -> int:
    """Return where the text ends with a beginning of the secret; its length if it does not."""
    start = text.find(secret[:1], max(0, len(text) - len(secret) + 1))
    while start >= 0 and not secret.startswith(text[start:]):
        start = text.find(secret[:1], start + 1)
    return len(text) if start < 0 else start


def _tells(rest: bytes, secret: bytes) -> bool:
    """Return whether a beginning of the secret tells something of it."""
    return bool(rest) and secret.startswith(rest) and (len(rest) >= MIN_MASKED or 2 * len(rest) >= len(secret))
