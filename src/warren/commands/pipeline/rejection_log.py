"""Writes rejected commands to both logs, at a limited rate: a flood of them would fill the disk (G-48)."""

from __future__ import annotations

import logging

from warren.clock import monotonic_seconds, wall_seconds
from warren.commands.audit_events import refused
from warren.commands.rejection import ProvenClaims
from warren.commands.result import Code, CommandError
from warren.commands.store.command_store import CommandStore
from warren.errors import WarrenError
from warren.ratelimit import RateLimit

# Per sender of commands without a valid signature: an honest one has a few.
UNAUTHENTICATED_PER_MINUTE = 60
# Of all senders: who has many addresses, or names its senders itself as an agent does to its runner, is many of them.
ALL_UNAUTHENTICATED_PER_MINUTE = 4 * UNAUTHENTICATED_PER_MINUTE
# Per dispatch key: at most 600 MB a day, and a faulty controller is still logged in full.
REJECTIONS_PER_MINUTE = 600

log = logging.getLogger(__name__)


class RejectionLog:
    """Counts what it does not write, and writes that count with the next line."""

    def __init__(self, store: CommandStore, process: str) -> None:
        self._store = store
        self._process = process
        self._unauthenticated = RateLimit(UNAUTHENTICATED_PER_MINUTE)
        self._all_unauthenticated = RateLimit(ALL_UNAUTHENTICATED_PER_MINUTE)
        self._authenticated = RateLimit(REJECTIONS_PER_MINUTE)
        self._unwritten = 0

    async def record(self, error: CommandError, source: str, proven: ProvenClaims) -> CommandError:
        """Write the rejection if the rate allows it; return the error that the sender gets."""
        if not self._take_token(source, proven):
            self._unwritten += 1
            return error if proven.kid is not None else _rate_limited()
        log.warning(
            "command.refused",
            extra={"code": error.code.value, "problem": str(error), **log_fields(self._process, proven)},
        )
        await self._write(error, source, proven)
        return error

    def _take_token(self, source: str, proven: ProvenClaims) -> bool:
        now = monotonic_seconds()
        if proven.kid is not None:
            return self._authenticated.try_take(proven.kid, now)
        return self._unauthenticated.try_take(source, now) and self._all_unauthenticated.try_take("", now)

    async def _write(self, error: CommandError, source: str, proven: ProvenClaims) -> None:
        unwritten, self._unwritten = self._unwritten, 0
        event = refused(error, source, wall_seconds(), proven, unwritten)
        try:
            await self._store.write_event(event, essential=False)
        except (CommandError, WarrenError) as problem:  # the sender gets the rejection all the same
            self._unwritten += unwritten + 1
            log.error("audit.write_failed", extra={"error": str(problem)})  # noqa: TRY400, no traceback


def log_fields(process: str, proven: ProvenClaims) -> dict[str, object]:
    """Return the fields of a log event about a command; agent and runner share a log, and `by` tells them apart."""
    actor = proven.actor and proven.actor.id
    return {"by": process, "corr_id": proven.corr_id, "verb": proven.verb, "actor": actor}


def _rate_limited() -> CommandError:
    problem = f"rate limit: more than {UNAUTHENTICATED_PER_MINUTE} unauthenticated requests per minute"
    return CommandError(Code.RATE_LIMITED, problem)
