"""The exit nodes of the networks that are up: opened, followed as the host changes, and closed with their network."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from warren._core import HostChanges, Netlink
from warren.clock import monotonic_seconds
from warren.config.parsers import IPAddress
from warren.errors import HostError, WarrenError
from warren.privsep.io.privileged_ops import HostExits
from warren.telemetry.conditions import Condition
from warren.tunnel.io.dns_echo import silent_servers
from warren.tunnel.io.exit_host import observe_exit
from warren.tunnel.io.nft_watch import TableWatch
from warren.tunnel.network import NetworkConfig
from warren.tunnel.nft_exit import TABLE, ExitRules

CHECK_INTERVAL = 15.0  # seconds; a check reads the rules of every packet filter of the host
RESTORE_DELAY = 1.0  # seconds between two restorations because tables were removed
DNS_INTERVAL = 60.0  # seconds between two questions to the name servers of an exit node
SUBJECTS = ("exit", "exit route", "exit forwarding", "exit packet filter", "exit dns")
SUBJECT_OF = {"exit.forwarding_off": SUBJECTS[2], "exit.blocked": SUBJECTS[3]}

log = logging.getLogger(__name__)
Opened = tuple[ExitRules, Mapping[int, tuple[str, ...]]]


@dataclass(slots=True)
class _Exit:
    """The last known state of the exit node of one network."""

    opened: Opened | None = None
    checked_at: float = 0.0
    """0 makes a check due at once."""
    asked_at: float = 0.0
    asked: Sequence[IPAddress] = ()
    question: asyncio.Task[None] | None = None
    conditions: dict[str, Condition | None] = field(default_factory=dict)

    @property
    def is_asking(self) -> bool:
        """Return whether an answer is waited for."""
        return self.question is not None and not self.question.done()


def may_concern_exits(changes: HostChanges) -> bool:
    """Return True if addresses, uplinks or the table of exit nodes may have changed."""
    return changes.lost or bool(changes.links) or bool(changes.replaced) or TABLE in changes.guards


class ExitNodes:
    """The exit nodes of an agent. For one event loop. A refusal of the host is reported and takes no tunnel down."""

    def __init__(self, exits: HostExits, netlink: Netlink, tasks: asyncio.TaskGroup) -> None:
        """Begin without any."""
        self._tasks = tasks
        self._exits = exits
        self._netlink = netlink
        self._known: dict[str, _Exit] = {}
        self._lock = asyncio.Lock()
        self._watch: TableWatch | None = None
        self._restoring: asyncio.Task[None] | None = None

    async def recover(self) -> None:
        """Close what a killed agent left open."""
        async with self._lock:
            for error in await asyncio.to_thread(self._exits.recover):
                log.warning("exit.recovery_failed", extra={"error": str(error), "hint": error.hint})

    def on_host_changes(self) -> None:
        """Look at every exit node anew in the next round of its network."""
        for known in self._known.values():
            known.checked_at = 0.0

    async def apply(self, network: NetworkConfig) -> Mapping[str, Condition | None]:
        """Open or check the exit node of a network, or close one that is no longer configured.

        Return the condition of each subject, None where nothing is wrong.
        """
        if not network.exit_node.enabled:
            await self.revert(network.name)
            return dict.fromkeys(SUBJECTS)
        async with self._lock:
            known = self._known.setdefault(network.name, _Exit(conditions=dict.fromkeys(SUBJECTS)))
            now = monotonic_seconds()
            rules_changed = known.opened is not None and known.opened[0].policy != network.exit_node
            if rules_changed or now >= known.checked_at + CHECK_INTERVAL:
                known.checked_at = now
                await self._open_and_check(network, known)
            self._ask_servers(network.exit_node.dns, known)
            return dict(known.conditions)

    async def revert(self, network: str) -> None:
        """Close the exit node when its network goes down. A failure is logged."""
        async with self._lock:
            known = self._known.pop(network, None)
            if known is None:
                return
            if not self._known:
                self._end_watch()
            if known.question is not None:
                known.question.cancel()
            try:
                await asyncio.to_thread(self._exits.revert, network)
            except HostError as error:
                log.warning("exit.revert_failed", extra={"network": network, "error": str(error)})
            else:
                log.info("exit.closed", extra={"network": network})

    async def _open_and_check(self, network: NetworkConfig, known: _Exit) -> None:
        conditions: dict[str, Condition | None] = dict.fromkeys(SUBJECTS[:-1])
        try:
            host, uplinks = await asyncio.to_thread(observe_exit, network, self._netlink)
            wanted = (ExitRules(network.name, network.interface, network.exit_node, host), uplinks)
            if known.opened != wanted:
                known.opened = None
                await asyncio.to_thread(self._exits.apply, *wanted)
                known.opened = wanted
                self._watch_tables()
                log.info("exit.opened", extra={"network": network.name, "uplinks": _named(uplinks)})
            conditions[SUBJECTS[1]] = _route_condition(network, uplinks)
            for problem in await asyncio.to_thread(self._exits.check, network.name):
                conditions[SUBJECT_OF.get(problem.code, SUBJECTS[0])] = Condition.of_error(problem, "exit.refused")
        except WarrenError as error:
            if error.code != "helper.ended":  # that one is a condition of its own
                conditions[SUBJECTS[0]] = Condition.of_error(error, "exit.refused")
        known.conditions |= conditions

    def _watch_tables(self) -> None:
        """Have the table restored as soon as another program removes it: without it the host forwards more."""
        if self._watch is None:
            self._watch = TableWatch.open()
            if self._watch is not None:
                asyncio.get_running_loop().add_reader(self._watch.fileno(), self._on_tables)

    def _end_watch(self) -> None:
        if self._watch is not None:
            asyncio.get_running_loop().remove_reader(self._watch.fileno())
            self._watch.close()
            self._watch = None

    def _on_tables(self) -> None:
        if self._watch is None or not self._watch.was_removed():
            return
        self.on_host_changes()
        if self._restoring is None or self._restoring.done():
            self._restoring = self._tasks.create_task(self._restore_table(), name="table of exit nodes")

    async def _restore_table(self) -> None:
        """Check one exit node, which restores the table of all; its own round reports what it finds."""
        async with self._lock:
            opened = [name for name, known in self._known.items() if known.opened is not None]
            if opened:
                with suppress(HostError):
                    await asyncio.to_thread(self._exits.check, opened[0])
        await asyncio.sleep(RESTORE_DELAY)

    def _ask_servers(self, servers: Sequence[IPAddress], known: _Exit) -> None:
        """Begin to ask the name servers, where that is due; the answer is for a later round."""
        now = monotonic_seconds()
        if not servers:
            known.conditions[SUBJECTS[4]] = None
        elif (servers != known.asked or now >= known.asked_at + DNS_INTERVAL) and not known.is_asking:
            known.asked, known.asked_at = servers, now
            known.question = self._tasks.create_task(_ask(servers, known), name="name servers of an exit node")


async def _ask(servers: Sequence[IPAddress], known: _Exit) -> None:
    silent = await silent_servers(servers)
    text = f"{', '.join(map(str, silent))} of exit_node.dns did not answer"
    is_wrong = len(silent) == len(servers)
    known.conditions[SUBJECTS[4]] = Condition("exit.dns_silent", text) if is_wrong else None


def _route_condition(network: NetworkConfig, uplinks: Mapping[int, tuple[str, ...]]) -> Condition | None:
    versions = sorted(uplinks.keys() & {prefix.version for prefix in network.exit_node.routes})
    missing = " and ".join(f"IPv{version}" for version in versions if not uplinks[version])
    if versions and not missing:
        return None
    where = f" over {missing}" if missing else ": they share no version of IP with the network's addresses"
    return Condition("exit.no_route", f"there is no route to the destinations of exit_node.routes{where}")


def _named(uplinks: Mapping[int, tuple[str, ...]]) -> list[str]:
    return sorted({link for links in uplinks.values() for link in links})
