"""Reconcile one network: observe, decide, plan, apply, and handle failure.

This is the one place where a network of the agent is reconciled:

    observe   ask engine and kernel what is                     Interface.observe -> tunnel/io/observe.py
    decide    which redundant peer has the prefixes, which
              endpoints are looked up, what should be           tunnel/reconcile_state.py -> tunnel/desired.py
    plan      the ordered difference                            tunnel/plan.py
    apply     the steps of the plan                             Interface.update -> tunnel/io/apply.py
    fail      keep what works, or remove it and back off        _handle_failure

A start, a reload, a link that another program deleted, a silent peer and a rotated key all run this same round. The
caller holds the network's lock, so that two rounds never overlap. What can block runs in threads.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence

from warren._core import Device, Event, HostChanges
from warren.agent.io.endpoint_resolver import EndpointResolver
from warren.agent.io.exit_nodes import may_concern_exits
from warren.agent.io.interface import MAX_OBSERVATION_SHARE, Interface
from warren.agent.io.key_ring import KeyRing
from warren.agent.io.network_context import NetworkContext
from warren.agent.io.network_warnings import NetworkWarnings
from warren.agent.network_state import NetworkState
from warren.agent.snapshot import network_sample
from warren.agent.stack_conditions import stack_conditions
from warren.backoff import Backoff, BackoffPolicy
from warren.clock import monotonic_seconds, wall_seconds
from warren.errors import EngineError, InterfaceError, StateError, WarrenError
from warren.localapi.networks import Rotation
from warren.ratelimit import RateLimit
from warren.telemetry.conditions import Condition
from warren.telemetry.sample import NetworkSample
from warren.tunnel.backend_rule import backend_rule
from warren.tunnel.config import InterfaceConfig
from warren.tunnel.desired import NetworkKeys
from warren.tunnel.host_changes import may_concern
from warren.tunnel.io.policy import release_policy
from warren.tunnel.lifecycle import LifecycleEvent, State
from warren.tunnel.netstack import SetTables, stack_tables
from warren.tunnel.network import NetworkConfig
from warren.tunnel.plan import Step as PlanStep
from warren.tunnel.reconcile_state import ReconcileState
from warren.tunnel.resolution import Question
from warren.tunnel.status import InterfaceStatus

RECONCILE_INTERVAL = 5.0  # seconds; the longest that a change stays unnoticed of which the kernel's report was lost
REPLACE_INTERVAL = 5.0  # seconds; a link that is deleted more often is created again by the schedule below
CHANGES_PER_MINUTE = 60
"""Rounds because of what the kernel reports. If another program undoes each of them, the timer is left."""
MAX_RECONCILE_INTERVAL = 30.0  # seconds; however long an observation takes
MAX_PAUSE = 5.0  # seconds
PAUSE_SHARE = 4.0
"""The pause after a round, in observations: the handshakes of thousands of peers take a part of a processor only."""
MIN_DELAY = 0.05  # seconds between two rounds, whatever is due
RETRY = BackoffPolicy((5.0, 15.0, 30.0, 60.0))
"""Between two attempts to bring a network up. A fatal cause keeps the schedule: somebody may mend it at any time."""

log = logging.getLogger(__name__)


class NetworkReconciler:
    """Brings the interface of one network to its desired state, again and again. For one event loop."""

    def __init__(self, config: NetworkConfig, state: NetworkState, context: NetworkContext, wake: Callable[[], None]):
        """Begin without an interface; `wake` is called when an event or an answer makes a round due at once."""
        self._state = state
        self._context = context
        self._wake = wake
        self._warnings = NetworkWarnings(config.name, state, context.netlink)
        self._backoff = Backoff(RETRY, random.random)
        self._replaced_at = -REPLACE_INTERVAL
        self._kept_policy: str | None = None
        """The link whose rules and fallbacks are kept for the next interface."""
        self._changes = RateLimit(CHANGES_PER_MINUTE)
        self.reset(config)

    @property
    def has_interface(self) -> bool:
        """Return True if the network's interface exists."""
        return self._interface.exists

    def reset(self, config: NetworkConfig) -> None:
        """Take `config` as the desired state, and forget what was observed; there must be no interface."""
        context = self._context
        self.config = config
        self._interface = Interface(
            config.interface, backend_rule(config), context.netlink, context.privileged.open_tun, context.agent_id
        )
        self._decisions = ReconcileState(config, monotonic_seconds())
        self._resolver = EndpointResolver(self._decisions, self._state, context, on_answer=self._wake)
        self._keys = KeyRing(context.privileged.keys)
        self._warnings.report_config(self.config)

    def set_stopped_config(self, config: NetworkConfig) -> None:
        """Use `config` from the next attempt on; an interface that is being removed is left alone."""
        if self.has_interface:
            self.config = config
        else:
            self.reset(config)

    def reset_backoff(self) -> None:
        """Allow the next attempt at once."""
        self._backoff.reset()

    def sample(self) -> NetworkSample:
        """Return the network as it is at this moment; counters are read from the engine, which costs no netlink."""
        if self.has_interface:
            self._sample_counters()
        resolution = self._decisions.resolution
        self._state.pending = resolution.pending()
        self._state.tried = {key: tuple(map(str, tried)) for key, tried in resolution.tried().items()}
        figures = self._context.probes.figures(self.config.name)
        backend, reason = self._interface.backend, self._interface.backend_reason
        return network_sample(self.config, self._state, backend, figures, backend_reason=reason)

    def stack_device(self) -> Device:
        """Return the device with the network's own stack. Raises StateError if it has none now."""
        name, interface = self.config.name, self._interface
        if (device := interface.stack_device) is not None:
            return device
        if interface.exists:
            problem = f"network {name} is the interface {interface.name} of this host: any program reaches it directly"
            raise StateError(problem, code="network.invalid_state", hint='backend = "netstack" has a stack of its own')
        raise StateError(f"network {name} is {self._state.lifecycle.value}", code="network.invalid_state")

    def on_host_changes(self, changes: HostChanges) -> None:
        """Make a round due at once if the kernel reports a change that may concern the interface."""
        observed = self._interface.observed if self.has_interface else None
        if observed is None:
            return
        if may_concern(changes, observed):
            self._interface.on_host_change()
        elif not (self.config.exit_node.enabled and may_concern_exits(changes)):
            return
        if self._changes.try_take(self.config.name, monotonic_seconds()):
            self._wake()

    def next_wakeup(self) -> float:
        """Return the seconds until the next round is due, if no event comes before."""
        due = self._decisions.next_deadline() if self.has_interface else None
        affordable = self._interface.observation_seconds / MAX_OBSERVATION_SHARE
        interval = max(RECONCILE_INTERVAL, min(affordable, MAX_RECONCILE_INTERVAL))
        if due is None:
            return interval
        return min(max(due - monotonic_seconds(), MIN_DELAY), interval)

    def pause_seconds(self) -> float:
        """Return the seconds for which no round follows the last one, whatever happens."""
        return min(PAUSE_SHARE * self._interface.observation_seconds, MAX_PAUSE)

    def is_applied(self, config: NetworkConfig, keys: NetworkKeys) -> bool:
        """Return True if the interface works with this configuration and these keys, so that a change has no effect."""
        works = self._state.lifecycle is State.ACTIVE and self._state.error is None
        return works and self.has_interface and config == self.config and keys == self._keys.held

    async def reconcile(self) -> None:
        """Run one round. A failure is recorded in the network's state and never raised."""
        if self._state.lifecycle is State.ERROR:
            if not self._backoff.is_due(monotonic_seconds()):
                return
            self._state.advance(LifecycleEvent.START, wall_seconds())
        try:
            observed = await self._observe_or_release() if self.has_interface else None
            await self._apply(observed)
        except WarrenError as error:
            await self._handle_failure(error)
        except Exception as error:  # a mistake in one network ends neither the others nor the agent
            log.exception("network.crashed", extra={"network": self.config.name})
            await self._handle_failure(EngineError(f"internal error: {error!r}", code="agent.failed"))
        else:
            self._record_success()

    async def change(self, config: NetworkConfig, keys: NetworkKeys) -> None:
        """Apply another configuration to the interface. Raises WarrenError, with the former one applied again."""
        former_config, former_keys = self.config, self._keys.held
        self._set_desired(config, keys)
        try:
            await self._apply()
        except WarrenError:
            self._set_desired(former_config, former_keys)
            await self._apply()
            raise

    async def rotate(self, step: str) -> Rotation:
        """Take one step of a key rotation. Raises WarrenError for a step that is not possible, with nothing changed.

        If the interface refuses a key that its file already has, the next round applies it again.
        """
        rotation = await asyncio.to_thread(self._keys.rotate, self.config, step)
        if self.has_interface:
            try:
                try:
                    await self._apply()
                finally:  # the key may be in use, whatever else was refused
                    await self._observe()  # a handshake confirms the new key only if it comes after this observation
            except WarrenError as error:
                await self._handle_failure(error)
        log.info("key.rotated", extra={"network": self.config.name, "step": rotation.step})
        return rotation

    async def remove(self, *, keeps_policy: bool = False) -> None:
        """Remove the interface, its probes and its name servers. Raises WarrenError.

        With `keeps_policy`, its rules and fallbacks stay until the next interface of the network is up, or until this
        is called again: an interface that another one replaces sends nothing in clear meanwhile.
        """
        await self._remove_around_interface()
        if keeps_policy:
            self._kept_policy = self._interface.name
            await asyncio.to_thread(self._interface.release)
        else:
            await asyncio.to_thread(self._interface.remove)
            await self._release_kept_policy()

    async def _release_kept_policy(self) -> None:
        link, self._kept_policy = self._kept_policy, None
        has_link = self.has_interface and self._interface.has_link
        if link is not None and not (has_link and link == self._interface.name):
            await asyncio.to_thread(release_policy, link, self._context.netlink)

    async def _remove_around_interface(self) -> None:
        events = self._interface.events
        if events is not None:
            asyncio.get_running_loop().remove_reader(events.fileno())
        self._resolver.cancel()
        self._context.probes.remove_network(self.config.name)
        await self._context.exit_nodes.revert(self.config.name)
        await self._context.name_servers.revert(self.config.name)

    def forget_keys(self) -> None:
        """Drop the keys from memory (H-77)."""
        self._keys.forget()
        self._decisions.forget_keys()

    async def _observe_or_release(self) -> InterfaceStatus | None:
        """Observe and return the status.

        If another program deleted the link, stop its engine and return None: `_apply` then creates both again at once.
        Raises InterfaceError if that has just happened before: then the network backs off.
        """
        try:
            return await self._observe()
        except InterfaceError as error:
            now = monotonic_seconds()
            if now < self._replaced_at + REPLACE_INTERVAL:
                raise
            self._replaced_at = now
            self._log_failure(error)
            await self._remove_around_interface()
            await asyncio.to_thread(self._interface.release)
            self._state.counters.restart()
            self.reset(self.config)
            return None

    async def _observe(self) -> InterfaceStatus:
        """Read what is, and let the pure state judge it. Raises InterfaceError if the interface has ended."""
        status = await asyncio.to_thread(self._interface.observe, anew=False)
        self._record_status(status)
        self._warnings.report_foreign_addresses(status, self.config)
        known = (peer.public_key for peer in status.peers if peer.latest_handshake is not None)
        self._context.probes.record_handshakes(self.config.name, known)
        answered_at = self._context.probes.answered_at(self.config.name)
        self._decisions.observe(status.peers, monotonic_seconds(), wall_seconds(), answered_at)
        if self._keys.is_confirmed_by(status):
            await self._confirm_key()
        socket_problem = await asyncio.to_thread(self._interface.socket_problem)
        uapi = None if socket_problem is None else Condition.of_error(socket_problem, "uapi.socket_missing")
        self._warnings.set_condition("uapi", uapi)
        if (device := self._interface.stack_device) is not None:
            stack = await asyncio.to_thread(device.netstack_status)
            for subject, condition in stack_conditions(stack, self.config.netstack.max_flows).items():
                self._warnings.set_condition(subject, condition)
        return status

    async def _apply(self, observed: InterfaceStatus | None = None) -> None:
        """Decide what should be, plan the difference and apply it. Raises WarrenError.

        `observed` is the status of the interface if this round has read it.
        """
        desired, questions = await self._decide()
        try:
            steps = await self._apply_to_interface(desired, observed)
        finally:
            for question in questions:  # only now is the mark known with which names are asked past this network
                self._resolver.ask(question)
        if not self._interface.has_link:
            return  # the host has no route into the network, and keeps its own name servers (H-13)
        await self._warnings.check_host(self.config, is_changed=bool(steps))
        self._context.probes.set_targets(self.config, self._decisions.standing_by())
        dns_problem = await self._context.name_servers.apply(self.config)
        dns = None if dns_problem is None else Condition.of_error(dns_problem, "dns.refused")
        self._warnings.set_condition("dns", dns)
        for subject, condition in (await self._context.exit_nodes.apply(self.config)).items():
            self._warnings.set_condition(subject, condition)

    async def _decide(self) -> tuple[InterfaceConfig, Sequence[Question]]:
        """Return the desired state of the interface, and the names to look up."""
        keys = self._keys.held
        if keys is None:
            keys = await asyncio.to_thread(self._keys.read, self.config)
        questions = self._decisions.take_questions(monotonic_seconds(), random.random())  # noqa: S311, it only spreads
        return self._decisions.desired(keys), questions

    async def _apply_to_interface(
        self, desired: InterfaceConfig, observed: InterfaceStatus | None
    ) -> Sequence[PlanStep | SetTables]:
        """Create or update the interface; return the steps that this took."""
        tables = stack_tables(self.config, {} if self._keys.held is None else self._keys.held.passwords)
        steps: Sequence[PlanStep | SetTables]
        if self.has_interface:
            steps = await asyncio.to_thread(self._interface.update, desired, observed, tables=tables)
            if steps:
                log.info("network.changed", extra={"network": self.config.name, "steps": len(steps)})
        else:
            steps = await asyncio.to_thread(self._interface.create, desired, tables)
            self._follow_events()
            if self._interface.observed is not None:
                self._record_status(self._interface.observed)
            await self._release_kept_policy()
        if steps:
            names = [type(step).__name__ for step in steps]
            log.debug("network.applied", extra={"network": self.config.name, "steps": names})
        return steps

    async def _handle_failure(self, error: WarrenError) -> None:
        """Keep an interface that still works as it is; remove one that has ended or did not come up, and back off."""
        state = self._state
        if not state.is_wanted:
            return
        if state.error is None or str(state.error) != str(error):
            self._log_failure(error)
        if state.lifecycle is State.ACTIVE and not isinstance(error, InterfaceError):
            state.error = error
            return
        try:
            await self.remove()
        except WarrenError as failure:
            log.error("network.teardown_failed", extra={"network": self.config.name, "error": str(failure)})  # noqa: TRY400
        if state.lifecycle is State.STOPPING:  # a disconnect was requested meanwhile and goes on from here
            return
        self.reset(self.config)
        state.fail(error, wall_seconds())
        self._backoff.fail(error, monotonic_seconds())

    def _log_failure(self, error: WarrenError) -> None:
        log.error("network.failed", extra={"network": self.config.name, "code": error.code, "error": str(error)})

    def _record_success(self) -> None:
        self._state.error = None
        if self._state.lifecycle is State.STARTING:
            self._state.advance(LifecycleEvent.UP, wall_seconds())
            self._backoff.reset()
            fields = {"network": self.config.name, "backend": self._interface.backend}
            reason = self._interface.backend_reason
            log.info("network.up", extra=fields | ({"reason": reason} if reason else {}))

    def _set_desired(self, config: NetworkConfig, keys: NetworkKeys | None) -> None:
        self.config = config
        self._keys.held = keys
        self._decisions.change(config, monotonic_seconds())
        self._warnings.report_config(self.config)

    async def _confirm_key(self) -> None:
        """Remove the previous key. That it cannot be removed is no reason to stop reconciling."""
        try:
            await asyncio.to_thread(self._keys.confirm, self.config)
        except WarrenError as error:
            self._warnings.set_condition("key", Condition.of_error(error, "key_file.unusable"))
        else:
            self._warnings.set_condition("key", None)
            log.info("key.confirmed", extra={"network": self.config.name})

    def _sample_counters(self) -> None:
        try:
            status = self._interface.engine_status()
        except InterfaceError:  # it has ended; the next round handles that
            return
        self._record_status(status)

    def _record_status(self, status: InterfaceStatus) -> None:
        self._state.record_status(status, has_events=self._interface.events is not None)

    def _follow_events(self) -> None:
        events = self._interface.events
        if events is not None:
            asyncio.get_running_loop().add_reader(events.fileno(), self._on_events)

    def _on_events(self) -> None:
        events = self._interface.events
        for event in () if events is None else events.drain():
            self._on_event(event)

    def _on_event(self, event: Event) -> None:
        self._state.record_event(event)
        match event:
            case Event.HandshakeTimedOut(peer):
                self._decisions.resolution.send_failed(peer)
                self._wake()
            case Event.HandshakeCompleted(peer):
                self._context.probes.record_handshakes(self.config.name, (peer,))
                self._wake()
            case Event.PathMtuChanged() | Event.Ended():
                self._wake()
