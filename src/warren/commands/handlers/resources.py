"""The resources that a process gives to its handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warren.commands.effects.events import EventSink
from warren.commands.settings import CommandSettings
from warren.commands.store.command_store import CommandStore

if TYPE_CHECKING:
    from warren.commands.handlers.host import HostMetrics


@dataclass(frozen=True, slots=True)
class AgentQueries:
    """The queries that only the agent can answer; its runner has none of them."""

    host: HostMetrics
    state: Callable[[], Mapping[str, object]]
    recent_commands: Callable[[int], tuple[Mapping[str, object], ...]]


@dataclass(frozen=True, slots=True)
class Resources:
    """The resources of one process."""

    settings: CommandSettings
    store: CommandStore
    emit_event: EventSink
    agent: AgentQueries | None = None
