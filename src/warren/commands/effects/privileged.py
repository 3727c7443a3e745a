"""The effect that crosses to the privileged process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from warren.commands.effects.effect import Effect


@dataclass(frozen=True, slots=True)
class RunPrivileged(Effect[Mapping[str, object]]):
    """Run the privileged part of this command, in the runner, which first verifies the envelope itself."""
