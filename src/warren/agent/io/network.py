"""One network: brings its interface to what it should be, and keeps it there.

A task of its own looks, plans and applies; who wants something else says so and wakes it. What can block (files, the
resolver, netlink) runs in threads, and a lock keeps the steps of one network apart, so that none waits for another.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from dataclasses import dataclass

from warren._core import Event, Netlink
from warren.agent.io.endpoint_resolver import EndpointResolver
from warren.agent.io.interface import Interface
from warren.agent.io.key_ring import KeyRing
from warren.agent.io.name_servers import NameServers
from warren.agent.io.probes import Probes
from warren.agent.network_state import NetworkState
from warren.agent.snapshot import network_sample
from warren.clock import monotonic_seconds, wall_seconds
from warren.config.field_names import toml_word, written
from warren.errors import EngineError, InterfaceError, WarrenError
from warren.localapi.networks import NetworkView, Rotation
from warren.privsep.io.privileged_ops import PrivilegedOps
from warren.telemetry.sample import Notice
from warren.tunnel.desired import NetworkKeys
from warren.tunnel.io.observe import lans
from warren.tunnel.lifecycle import State, Step
from warren.tunnel.network import NetworkConfig
from warren.tunnel.overlap import lan_warnings, network_warnings
from warren.tunnel.reconcile_state import ReconcileState
from warren.tunnel.status import InterfaceStatus, interface_status

LOOK_SECONDS = 5.0  # how long it may stay unnoticed what others did to the interface
LANS_SECONDS = 60.0  # a lease of a new address is rare, and takes nothing away at once
LEAST_SECONDS = 0.05  # between two looks, whatever is due
RUNNING = (State.STARTING, State.ACTIVE)
RETRY_SECONDS = (5.0, 15.0, 30.0, 60.0)  # after a start that failed, and the next

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Host:
    """What all networks share."""

    netlink: Netlink
    probes: Probes
    name_servers: NameServers
    rights: PrivilegedOps
    group: asyncio.TaskGroup
    home: str = ""
    """What its links are known by, should it be killed (tunnel/io/owner.py)."""


class Network:
    """One network of the agent. Its methods are for one event loop."""

    def __init__(self, config: NetworkConfig, host: Host) -> None:
        self.config = config
        self.record = NetworkState(config.name)
        self._host = host
        self._wanted = False
        self._failures = 0
        self._retry_at = 0.0
        self._lans_at = 0.0
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()
        self._begin()

    def view(self) -> NetworkView:
        """As it is at this moment."""
        with suppress(InterfaceError):
            self._saw(interface_status(self.config.interface, self._interface.device(), None))
        self.record.pending = self._upkeep.resolution.pending()
        figures = self._host.probes.figures(self.config.name)
        sample = network_sample(self.config, self.record, self._interface.backend, figures)
        return NetworkView(self.record.state, sample)

    def connect(self, config: NetworkConfig) -> None:
        """Begins to bring it up as `config` says. Raises StateError unless it is down."""
        self.record.step(Step.START, wall_seconds())
        self.config, self._failures, self._wanted = config, 0, True
        self._begin()
        self._wake.set()

    async def disconnect(self) -> None:
        """Takes it down; nothing of it is left when this returns.

        Raises StateError unless it is up or coming up. One that failed is then not tried again (H-38).
        """
        self._wanted = False
        self.record.step(Step.STOP, wall_seconds())
        async with self._lock:
            try:
                await self._remove()
            except WarrenError as error:
                self.record.fail(error, wall_seconds())
                raise
            self._keys.forget()
            self.record.step(Step.GONE, wall_seconds())
        log.info("network.down", extra={"network": self.config.name})

    def give_up(self) -> None:
        """One that failed is not tried again."""
        self._wanted = False

    def rest(self, config: NetworkConfig) -> None:
        """`config` is what counts once it is asked for, or tried again."""
        self.config = config
        if not self._interface.is_made:
            self._begin()

    async def settle(self) -> None:
        """Until it is down, if somebody takes it down."""
        if self.record.state is State.STOPPING:
            async with self._lock:
                return

    async def end(self) -> None:
        """Down for good, whoever takes it down. Raises WarrenError."""
        self._wanted = False
        if self.record.state in RUNNING:
            await self.disconnect()
        await self.settle()

    async def change(self, config: NetworkConfig, keys: NetworkKeys) -> None:
        """Applies the difference; what fails is undone. Raises WarrenError, with all as it was.

        One that somebody took down meanwhile stays down.
        """
        async with self._lock:
            if self.record.state not in RUNNING:
                self.rest(config)
                return
            before, keys_before = self.config, self._keys.held
            self._become(config, keys)
            try:
                await self._apply()
            except WarrenError:
                self._become(before, keys_before)
                await self._apply()
                raise

    async def rotate(self, step: str) -> Rotation:
        """Goes one step on with a new private key. Raises WarrenError for a step that cannot be, with nothing changed.

        Where the interface refuses a key that its file has by then, the next look gives it again.
        """
        async with self._lock:
            rotation = await asyncio.to_thread(self._keys.rotate, self.config, step)
            if self._interface.is_made:
                try:
                    await self._apply()
                    await self._look()  # a handshake counts as the new key's if it comes after this look
                except WarrenError as error:
                    await self._suffer(error)
        log.info("key.rotated", extra={"network": self.config.name, "step": rotation.step})
        return rotation

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience()):
                    await self._wake.wait()
            self._wake.clear()
            async with self._lock:
                if self._wanted:
                    await self._keep()

    def _patience(self) -> float:
        due = self._upkeep.next_deadline() if self._interface.is_made else None
        if due is None:
            return LOOK_SECONDS
        return min(max(due - monotonic_seconds(), LEAST_SECONDS), LOOK_SECONDS)

    def _begin(self) -> None:
        """With nothing known and nothing made."""
        host = self._host
        self._interface = Interface(self.config.backend, host.netlink, host.rights.open_tun, host.home)
        self._upkeep = ReconcileState(self.config, monotonic_seconds())
        self._questions = EndpointResolver(self._upkeep, self.record, host.name_servers, host.group, self._wake.set)
        self._keys = KeyRing(host.rights.keys)
        self._advise()

    def _become(self, config: NetworkConfig, keys: NetworkKeys | None) -> None:
        self.config = config
        self._keys.held = keys
        self._upkeep.change(config, monotonic_seconds())
        self._advise()

    async def _keep(self) -> None:
        """Once: starts what is to start, and mends what is not as it should be."""
        if self.record.state is State.ERROR:
            if monotonic_seconds() < self._retry_at:
                return
            self.record.step(Step.START, wall_seconds())
        try:
            if self._interface.is_made:
                await self._look()
            await self._apply()
        except WarrenError as error:
            await self._suffer(error)
            return
        except Exception as error:  # a mistake in one network ends neither the others nor the agent
            log.exception("network.crashed", extra={"network": self.config.name})
            await self._suffer(EngineError(f"a mistake in the agent itself: {error!r}", code="agent.failed"))
            return
        self.record.error = None
        if self.record.state is State.STARTING:
            self.record.step(Step.UP, wall_seconds())
            self._failures = 0
            log.info("network.up", extra={"network": self.config.name, "backend": self._interface.backend})

    async def _look(self) -> None:
        status = await asyncio.to_thread(self._interface.observe)
        self._saw(status)
        met = (peer.public_key for peer in status.peers if peer.latest_handshake is not None)
        self._host.probes.meet(self.config.name, met)
        answered_at = self._host.probes.answered_at(self.config.name)
        self._upkeep.observe(status.peers, monotonic_seconds(), wall_seconds(), answered_at)
        if self._keys.is_confirmed_by(status):
            await self._confirm()
        self._warn("uapi", await asyncio.to_thread(self._interface.socket_problem))

    async def _confirm(self) -> None:
        """The old key goes. That it cannot be removed is no reason to stop keeping the network."""
        try:
            await asyncio.to_thread(self._keys.confirm, self.config)
        except WarrenError as error:
            self._warn("key", error)
        else:
            self._warn("key", None)
            log.info("key.confirmed", extra={"network": self.config.name})

    def _warn(self, about: str, error: WarrenError | None) -> None:
        self._note(about, None if error is None else Notice(error.code, f"{error}; {error.hint}"))

    def _note(self, about: str, notice: Notice | None) -> None:
        if self.record.warn(about, notice) and notice is not None:
            about_it = {"network": self.config.name, "code": notice.name, "error": notice.sentence}
            log.warning("network.warning", extra=about_it)

    def _advise(self) -> None:
        """What `warren validate` warns of, for those who never ran it."""
        self.record.advice = tuple(
            Notice("config.warning", f"{written(finding.key, toml_word)}: {finding.problem}; {finding.expected}")
            for finding in network_warnings(self.config)
        )

    def _saw(self, status: InterfaceStatus) -> None:
        self.record.saw(status, tells=self._interface.events is not None)

    async def _apply(self) -> None:
        keys = self._keys.held
        if keys is None:
            keys = await asyncio.to_thread(self._keys.read, self.config)
        for question in self._upkeep.take_questions(monotonic_seconds(), random.random()):  # noqa: S311, it only spreads
            self._questions.ask(question)
        desired = self._upkeep.desired(keys)
        if self._interface.is_made:
            steps = await asyncio.to_thread(self._interface.change, desired)
            if steps:
                log.info("network.changed", extra={"network": self.config.name, "steps": len(steps)})
        else:
            steps = await asyncio.to_thread(self._interface.make, desired)
            self._listen()
        if steps:
            names = [type(step).__name__ for step in steps]
            log.debug("network.applied", extra={"network": self.config.name, "steps": names})
        if steps or monotonic_seconds() > self._lans_at + LANS_SECONDS:
            await self._look_around()
        self._host.probes.aim(self.config, self._upkeep.standing_by())
        self._warn("dns", await self._host.name_servers.follow(self.config))

    async def _look_around(self) -> None:
        """Whether it takes what is a LAN of this host, or cannot have it: that one may have come later."""
        self._lans_at = monotonic_seconds()
        found = await asyncio.to_thread(lambda: [*lan_warnings(self.config, lans(self._host.netlink))])
        said = "; ".join(f"{written(each.key, toml_word)}: {each.problem}; {each.expected}" for each in found)
        self._note("lan", Notice("route.overlaps_lan", said) if said else None)

    async def _suffer(self, error: WarrenError) -> None:
        """An interface that runs goes on with what it has; one that has ended, or did not come up, is begun anew."""
        if not self._wanted:
            return
        if self.record.error is None or str(self.record.error) != str(error):
            log.error("network.failed", extra={"network": self.config.name, "code": error.code, "error": str(error)})
        if self.record.state is State.ACTIVE and not isinstance(error, InterfaceError):
            self.record.error = error
            return
        try:
            await self._remove()
        except WarrenError as again:
            log.error("network.left", extra={"network": self.config.name, "error": str(again)})  # noqa: TRY400
        if self.record.state is State.STOPPING:  # whoever takes it down goes on from here
            return
        self._begin()
        self.record.fail(error, wall_seconds())
        self._retry_at = monotonic_seconds() + RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
        self._failures += 1

    async def _remove(self) -> None:
        events = self._interface.events
        if events is not None:
            asyncio.get_running_loop().remove_reader(events.fileno())
        self._questions.cancel()
        self._host.probes.forget(self.config.name)
        await self._host.name_servers.leave(self.config.name)
        await asyncio.to_thread(self._interface.remove)

    def _listen(self) -> None:
        events = self._interface.events
        if events is not None:
            asyncio.get_running_loop().add_reader(events.fileno(), self._hear)

    def _hear(self) -> None:
        events = self._interface.events
        for event in () if events is None else events.drain():
            self.record.heard(event)
            match event:
                case Event.HandshakeGaveUp(peer):
                    self._upkeep.resolution.send_failed(peer)
                    self._wake.set()
                case Event.HandshakeCompleted(peer):
                    self._host.probes.meet(self.config.name, (peer,))
                    self._wake.set()
                case Event.Ended():
                    self._wake.set()
