"""One accepted command, from its admission until its result is stored."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass

from warren.commands.command import VerifiedCommand
from warren.commands.envelope import Ingress
from warren.commands.pipeline.output_buffer import OutputBuffer
from warren.commands.result import CommandError, Result
from warren.commands.signed_command import SignedCommand
from warren.commands.verb import Verb


@dataclass(slots=True)
class Job:
    """Its task runs it; whoever submitted it waits for `done`."""

    signed: SignedCommand
    """Verified again when its turn comes."""
    command: VerifiedCommand
    """As it was when it was accepted."""
    verb: Verb
    ingress: Ingress
    place: ExitStack
    """Holds its place in the queue."""
    done: asyncio.Future[Result]
    output: OutputBuffer
    expires_boottime: float
    """When it expires by the clock that cannot be set: the wall clock may be set back while it waits."""
    task: asyncio.Task[None] | None = None
    has_started: bool = False
    has_finished: bool = False
    """True if only its result is still to be stored."""
    cancellation: CommandError | None = None
    """Why it was cancelled. A task that is cancelled before its first step would never run its cleanup."""

    def cancel(self, reason: CommandError) -> bool:
        """Cancel it, unless it has finished; return whether it will end with this reason."""
        if self.has_finished:
            return False
        self.cancellation = reason
        if self.task is not None and self.has_started:
            self.task.cancel(reason)
        return True
