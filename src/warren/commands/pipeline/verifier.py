"""Verifies a command against the current state of this node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from warren.commands.command import MAX_LIFE_SECONDS, SKEW_SECONDS, VerifiedCommand
from warren.commands.envelope import Ingress
from warren.commands.pipeline.bundle_cache import BundleCache
from warren.commands.registry import VERBS
from warren.commands.signed_command import SignedCommand
from warren.commands.verify import Context, verify_signed
from warren.elapsed_clock import ClockReading


class Verify(Protocol):
    """Verify a command that was received over `ingress`. Raises Rejected if it breaks a rule.

    A command that `was_queued` may be as old as its lifetime allows.
    """

    def __call__(self, command: SignedCommand, ingress: Ingress, *, was_queued: bool = False) -> VerifiedCommand:
        """Return the verified command."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """The verifier of one process: the agent, or its runner."""

    agent_id: str
    bundles: BundleCache
    is_exec_enabled: Callable[[], bool]
    clocks: Callable[[], ClockReading]
    """The wall clock of a reading shows at least the time floor."""
    is_runner: bool = False
    """True in the runner: it receives a command after it was queued in the agent, and requires an intent for each."""

    def verify(self, command: SignedCommand, ingress: Ingress, *, was_queued: bool = False) -> VerifiedCommand:
        """Verify a command: see `Verify`."""
        context = Context(
            self.agent_id,
            self.bundles.bundle(),
            ingress.transport,
            ingress.sid,
            self.clocks().wall,
            exec_enable=self.is_exec_enabled(),
            verbs=VERBS,
            max_age_seconds=MAX_LIFE_SECONDS if was_queued or self.is_runner else SKEW_SECONDS,
            requires_intent=self.is_runner,
        )
        return verify_signed(command, context)
