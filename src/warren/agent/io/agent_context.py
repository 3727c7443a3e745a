"""What signed commands have from the rest of the agent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from warren.clock import wall_seconds
from warren.localapi.networks import Networks
from warren.localapi.views import listed
from warren.privsep.io.privileged_ops import PrivilegedOps


@dataclass(frozen=True, slots=True)
class AgentContext:
    """Handed in by main."""

    rights: PrivilegedOps
    group: asyncio.TaskGroup
    networks: Networks

    def about(self) -> Mapping[str, object]:
        """What the agent knows of itself: `AskAgent`."""
        return {"networks": [listed(view, wall_seconds()) for view in self.networks.views()]}
