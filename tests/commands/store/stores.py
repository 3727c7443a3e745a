"""A store on a disk, and the same one after a restart."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.commands.sandbox_requests import GATEWAY, NOW
from warren.audit.event import Origin
from warren.audit.io.journal import Journal, Retention
from warren.clock import RELEASE_SECONDS
from warren.commands.result import Result
from warren.commands.store.command_store import DEFAULT_BYTES, CommandStore
from warren.commands.store.database import open_database
from warren.elapsed_clock import ClockReading
from warren.jws import SigningKey

KEY = SigningKey(b"\x05" * 32)


@dataclass
class Place:
    """Where one is. Its database began an hour ago."""

    directory: Path
    rows: int = 1000
    keeping: Retention = field(default_factory=Retention)
    now: Callable[[], float] = lambda: NOW
    """Both clocks, unless `clocks` is set."""
    clocks: Callable[[], ClockReading] | None = None
    max_bytes: int = DEFAULT_BYTES
    floor: Callable[[], int] = lambda: RELEASE_SECONDS
    interrupted: tuple[Result, ...] = ()

    @property
    def log(self) -> Path:
        return self.directory / "audit"

    def begin(self) -> Place:
        begun = int(self.read_clocks().wall) - 3540
        made = open_database(self.directory, lambda: begun)
        made.connection.execute("DELETE FROM meta WHERE name = 'init_reason'")
        made.connection.close()
        return self

    def store(self) -> CommandStore:
        """Of a process that starts now."""
        journal = Journal(self.log, GATEWAY, KEY, self.keeping)
        return CommandStore(
            self.directory,
            Origin(GATEWAY),
            journal,
            rows=self.rows,
            max_bytes=self.max_bytes,
            floor=self.floor,
            clocks=self.read_clocks,
        )

    def read_clocks(self) -> ClockReading:
        return ClockReading(self.now(), self.now(), "boot") if self.clocks is None else self.clocks()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[CommandStore]:
        store = self.store()
        self.interrupted = await store.recover()
        try:
            yield store
        finally:
            await store.close()

    def lines(self) -> list[dict[str, Any]]:
        """The audit log."""
        return [json.loads(line) for line in (self.log / "audit.jsonl").read_text().splitlines()]

    def told(self) -> list[tuple[str, str | None]]:
        """Of each line the event and the command."""
        return [(line["event"].removeprefix("command."), line["correlation_id"]) for line in self.lines()]
