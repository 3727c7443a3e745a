"""Logs in memory, as an agent writes them."""

from __future__ import annotations

from collections.abc import Sequence

from warren.audit.chain import EMPTY, Head
from warren.audit.checkpoint import FIRST, Checkpoint, sign_checkpoint, token_hash
from warren.audit.event import AuditEvent, Origin, encode_line
from warren.audit.verify import Location, Verdict, read_anchors, verify_log
from warren.jws import SigningKey

KEY = SigningKey(b"\x07" * 32)
KEYS = {KEY.public.kid: KEY.public}
ORIGIN = Origin("gateway-001", "site-1", "boot", "session")
NOW = 1_800_000_000


def write(count: int, head: Head = EMPTY, word: str = "status.read") -> list[bytes]:
    """So many lines behind `head`."""
    lines = []
    for number in range(count):
        lines.append(encode_line(AuditEvent(word, NOW + number), ORIGIN, head.n + 1, head.digest))
        head = head.followed_by(lines[-1])
    return lines


def heads(lines: Sequence[bytes], head: Head = EMPTY) -> list[Head]:
    """After each line, and first before all."""
    found = [head]
    for line in lines:
        found.append(found[-1].followed_by(line))
    return found


def seal(ends: Sequence[Head], key: SigningKey = KEY) -> list[str]:
    """Checkpoints at these heads."""
    tokens: list[str] = []
    for head in ends:
        prev = token_hash(tokens[-1]) if tokens else FIRST
        tokens.append(sign_checkpoint(Checkpoint("gateway-001", head, NOW, prev), key))
    return tokens


def verdict(lines: Sequence[bytes], tokens: Sequence[str] = (), held: Sequence[str] = ()) -> Verdict:
    """As `warren audit verify` comes to it; `held` is kept elsewhere."""
    anchors, faults = read_anchors(
        [(Location("checkpoints", each), token) for each, token in enumerate(tokens, 1)], KEYS
    )
    kept, _ = read_anchors([(Location("anchor", 1), token) for token in held], KEYS)
    found = verify_log([(Location("log", each), line) for each, line in enumerate(lines, 1)], [*anchors, *kept])
    return Verdict(found.first, found.head, found.sealed, (*faults, *found.faults))
