"""Logs in memory, as an agent writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from warren.audit.chain import EMPTY, Head
from warren.audit.checkpoint import NO_PREVIOUS, Checkpoint, sign_checkpoint, token_hash
from warren.audit.event import AuditEvent, Origin, encode_line
from warren.audit.verify import Location, Verdict, read_checkpoints, verify_log
from warren.jws import SigningKey

KEY = SigningKey(b"\x07" * 32)
KEYS = {KEY.public.kid: KEY.public}
ORIGIN = Origin("gateway-001", "site-1", "boot", "session")
NOW = 1_800_000_000


def make_lines(count: int, head: Head = EMPTY, event: str = "status.read", seconds: int = 1) -> list[bytes]:
    """Return `count` lines that follow `head`, one every `seconds`."""
    lines = []
    for number in range(count):
        lines.append(encode_line(AuditEvent(event, NOW + number * seconds), ORIGIN, head.n + 1, head.digest))
        head = head.followed_by(lines[-1])
    return lines


def heads_of(lines: Sequence[bytes], head: Head = EMPTY) -> list[Head]:
    """Return the first head and the head after each line."""
    heads = [head]
    for line in lines:
        heads.append(heads[-1].followed_by(line))
    return heads


def make_checkpoints(heads: Sequence[Head], key: SigningKey = KEY) -> list[str]:
    """Return linked checkpoints of these heads."""
    tokens: list[str] = []
    for head in heads:
        prev = token_hash(tokens[-1]) if tokens else NO_PREVIOUS
        tokens.append(sign_checkpoint(Checkpoint("gateway-001", head, NOW, prev), key))
    return tokens


def verdict_of(
    lines: Sequence[bytes], tokens: Sequence[str] = (), anchors: Sequence[str] = (), now: float | None = None
) -> Verdict:
    """Verify a log as `warren audit verify` does; `anchors` are kept off the host."""
    checkpoints, findings = read_checkpoints(
        [(Location("checkpoints", number), token) for number, token in enumerate(tokens, 1)], KEYS
    )
    kept, _ = read_checkpoints([(Location("anchor", 1), token) for token in anchors], KEYS)
    numbered = [(Location("log", number), line) for number, line in enumerate(lines, 1)]
    verdict = verify_log(numbered, [*checkpoints, *kept], now)
    return replace(verdict, findings=(*findings, *verdict.findings))
