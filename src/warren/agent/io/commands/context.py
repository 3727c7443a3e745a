"""Pass the rest of the agent to signed commands."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from warren.clock import wall_seconds
from warren.commands.exec_switch import ExecSwitch
from warren.localapi.networks import Networks
from warren.localapi.views import listed
from warren.privsep.io.privileged_ops import PrivilegedOps


@dataclass(frozen=True, slots=True)
class AgentContext:
    """Hold what signed commands use of the rest of the agent."""

    privileged: PrivilegedOps
    group: asyncio.TaskGroup
    """The agent's own: commands that were accepted run in it, whoever requested them."""
    networks: Networks
    exec_switch: ExecSwitch

    def describe(self) -> Mapping[str, object]:
        """Return what the agent knows about its networks, for the effect `AskAgent`."""
        return {"networks": [listed(view, wall_seconds()) for view in self.networks.views()]}
