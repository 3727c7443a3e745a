"""The hash chain of the log: each line commits to all lines before it.

    leaf(n) = SHA-256(0x00 || line n, without its newline)
    head(n) = SHA-256(0x01 || head(n - 1) || leaf(n)),  head(0) = 32 octets of zero

A line contains its number `n`, and head(n - 1) in hexadecimal as `prev`. Leaves are hashed as in RFC 6962 section 2.1,
so that a Merkle tree can be built over the same lines.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

DIGEST = re.compile(r"[0-9a-f]{64}")
MAX_LINE_BYTES = 65_536  # a command's line has about 700; schemas bound its parameters


@dataclass(frozen=True, slots=True)
class Head:
    """The head of the chain after line `n`."""

    n: int
    digest: str
    """64 hexadecimal digits in lower case."""

    def followed_by(self, line: bytes) -> Head:
        """Return the head after one more line."""
        leaf = hashlib.sha256(b"\x00" + line).digest()
        return Head(self.n + 1, hashlib.sha256(b"\x01" + bytes.fromhex(self.digest) + leaf).hexdigest())


EMPTY = Head(0, "0" * 64)


@dataclass(frozen=True, slots=True)
class Link:
    """The heads before and after one line, as the line claims them, and what it says of its origin."""

    before: Head
    after: Head
    agent_id: str | None = None
    timestamp: int | None = None
    """Seconds since the Unix epoch."""


def parse_link(line: bytes) -> Link:
    """Parse the position of a line in the chain.

    Raises:
        ValueError: the line is not one of a log.
    """
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"longer than {MAX_LINE_BYTES} octets")
    try:
        members = json.loads(line.decode("ascii"), object_pairs_hook=_unique)
    except UnicodeDecodeError:
        raise ValueError("not ASCII") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"invalid JSON: {error.msg} at octet {error.pos}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    match members:
        case {"n": int(n), "prev": str(prev)} if n is not True and n > 0 and DIGEST.fullmatch(prev):
            before = Head(n - 1, prev)
            agent_id = members.get("agent_id")
            return Link(
                before,
                before.followed_by(line),
                agent_id if isinstance(agent_id, str) else None,
                _parse_timestamp(members.get("timestamp")),
            )
    raise ValueError("n or prev is missing or invalid")


def _parse_timestamp(text: object) -> int | None:
    """Return the seconds since the Unix epoch, or None for what is not a timestamp of an entry."""
    try:
        moment = datetime.fromisoformat(str(text))
        return int(moment.timestamp()) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members
