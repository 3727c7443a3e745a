"""How each line of the log holds all before it.

    leaf(n) = SHA-256(0x00 || line n, without its newline)
    head(n) = SHA-256(0x01 || head(n - 1) || leaf(n)),  head(0) = 32 octets of zero

A line says its own `n`, and as `prev` head(n - 1) in hexadecimal. The leaves are those of RFC 6962 section 2.1, so a
Merkle tree can be put over the same lines.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

DIGEST = re.compile(r"[0-9a-f]{64}")
MAX_LINE_BYTES = 65_536  # a command's line has about 700; its parameters are bounded by their schema


@dataclass(frozen=True, slots=True)
class Head:
    """The whole log up to its line `n`."""

    n: int
    digest: str
    """64 digits in lower case."""

    def followed_by(self, line: bytes) -> Head:
        """With one line more."""
        leaf = hashlib.sha256(b"\x00" + line).digest()
        return Head(self.n + 1, hashlib.sha256(b"\x01" + bytes.fromhex(self.digest) + leaf).hexdigest())


EMPTY = Head(0, "0" * 64)


@dataclass(frozen=True, slots=True)
class Link:
    """What one line says of its own place."""

    before: Head
    """As it claims."""
    after: Head
    """If that is so."""


def parse_link(line: bytes) -> Link:
    """Raises ValueError for what is no line of a log."""
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"has more than {MAX_LINE_BYTES} octets")
    try:
        members = json.loads(line.decode("ascii"), object_pairs_hook=_once)
    except UnicodeDecodeError:
        raise ValueError("is not ASCII") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error.msg} at octet {error.pos}") from None
    except RecursionError:
        raise ValueError("has too many levels") from None
    match members:
        case {"n": int(n), "prev": str(prev)} if n is not True and n > 0 and DIGEST.fullmatch(prev):
            before = Head(n - 1, prev)
            return Link(before, before.followed_by(line))
    raise ValueError("has no n or no prev")


def _once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("has a member twice")
    return members
