"""Verifies an envelope against the current state of this node."""

from __future__ import annotations

from dataclasses import dataclass

from warren.clock import wall_seconds
from warren.commands.command import SKEW_SECONDS, VerifiedCommand
from warren.commands.envelope import Ingress
from warren.commands.pipeline.bundle_cache import BundleCache
from warren.commands.registry import VERBS
from warren.commands.verify import Context, verify_command


@dataclass(frozen=True, slots=True)
class Verifier:
    """The verifier of one process: the agent, or its runner."""

    agent_id: str
    bundles: BundleCache
    exec_enable: bool
    max_age_seconds: int = SKEW_SECONDS
    """See `verify.Context`."""

    def verify(self, envelope: str, ingress: Ingress) -> VerifiedCommand:
        """Verify an envelope that was received over `ingress`.

        Raises:
            Rejected: the command breaks a rule.
        """
        context = Context(
            self.agent_id,
            self.bundles.bundle(),
            ingress.transport,
            ingress.sid,
            wall_seconds(),
            exec_enable=self.exec_enable,
            verbs=VERBS,
            max_age_seconds=self.max_age_seconds,
        )
        return verify_command(envelope, context)
