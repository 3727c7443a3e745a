"""The answer to a dry run: a value of its own, as nothing was executed and there is no RESULT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DryRun:
    """The effects that a command would have now."""

    effects: tuple[str, ...] = ()
    """Each as text, in order, with secrets masked; effects that only read were performed."""
    problem: str = ""
    """Why it would fail; empty if it would not."""
    data: Mapping[str, object] = field(default_factory=dict)
    """The answer of the verb, secret fields sealed; the agent's part of a verb continues with the privileged part's."""

    def members(self) -> dict[str, object]:
        """Return `{effects}`, with `problem` if it would fail, as the control socket answers."""
        members: dict[str, object] = {"effects": [*self.effects]}
        return {**members, "problem": self.problem} if self.problem else members
