"""Verifies an envelope against what holds on this node now."""

from __future__ import annotations

from dataclasses import dataclass

from warren.clock import wall_seconds
from warren.commands.command import SKEW_SECONDS, VerifiedCommand
from warren.commands.pipeline.bundle_cache import BundleCache
from warren.commands.pipeline.command_pipeline import Ingress
from warren.commands.registry import VERBS
from warren.commands.verify import Context, verify_command


@dataclass(frozen=True, slots=True)
class Verifier:
    """Of one process: the agent, or its runner."""

    agent_id: str
    trusted: BundleCache
    exec_enable: bool
    late_seconds: int = SKEW_SECONDS
    """See `verify.Context`."""

    def verify(self, envelope: str, way: Ingress) -> VerifiedCommand:
        """The command, as it came by this way. Raises Refused."""
        context = Context(
            self.agent_id,
            self.trusted.bundle(),
            way.transport,
            way.sid,
            wall_seconds(),
            exec_enable=self.exec_enable,
            verbs=VERBS,
            late_seconds=self.late_seconds,
        )
        return verify_command(envelope, context)
