"""The interface of one network: created once, then only updated. Every method may block."""

from __future__ import annotations

from dataclasses import replace

from warren._core import Device, Events, Netlink
from warren.clock import monotonic_seconds, thread_seconds
from warren.errors import HostError, InterfaceError
from warren.tunnel.backend_rule import BackendRule
from warren.tunnel.config import InterfaceConfig
from warren.tunnel.io.backend import BackendChooser, LiveEngine
from warren.tunnel.io.converge import converge
from warren.tunnel.io.endpoint_route import with_route_mtus
from warren.tunnel.io.in_process import OpenDriver, open_no_driver
from warren.tunnel.io.netstack import NetstackEngine
from warren.tunnel.io.observe import HostPart, join_host, observe_host, socket_path
from warren.tunnel.io.policy import active_marks, remove_stale_policy
from warren.tunnel.netstack import NO_TABLES, SetTables, Tables
from warren.tunnel.plan import InterfaceChange, Step
from warren.tunnel.routes import policy_table
from warren.tunnel.status import InterfaceStatus, interface_status

MAX_OBSERVATION_SHARE = 0.02
"""The share of a processor for observing what nothing has been reported of. An interface of a few peers and prefixes is
observed in every round; one of 20,000 routes or 10,000 peers every 10 s or so."""


class Interface:
    """One engine with its link, or with a stack of its own in place of a link (tunnel/io/netstack.py)."""

    def __init__(
        self,
        name: str,
        rule: BackendRule,
        netlink: Netlink,
        open_driver: OpenDriver = open_no_driver,
        agent_id: str = "",
    ) -> None:
        """Begin without a link; `agent_id` marks it as this agent's once it exists."""
        self.name = name
        self.observed: InterfaceStatus | None = None
        """The last whole status; None without an engine."""
        self._rule = rule
        self._chooser = BackendChooser(name, rule, netlink, open_driver, agent_id)
        self._netlink = netlink
        self._engine: LiveEngine | None = None
        self.observation_seconds = 0.0
        """The processor time of the last observation."""
        self._pmtu = False
        """True if the path MTU of each peer is to be known."""
        self._settled: tuple[InterfaceConfig, InterfaceStatus] | None = None
        """A desired and an observed state between which a plan had no step."""
        self._host: HostPart | None = None
        self._host_changed = True
        """True if the kernel has reported a change since `_host` was observed."""
        self._host_due_at = 0.0

    @property
    def exists(self) -> bool:
        """Return True from `create` to `remove`."""
        return self._engine is not None

    @property
    def backend(self) -> str:
        """Return where the interface lives, or before `create` where it is configured to live."""
        return self._rule.configured if self._engine is None else self._engine.backend

    @property
    def backend_reason(self) -> str:
        """Return why backends that are tried before the one in use are not; empty without an interface."""
        return "" if self._engine is None else self._chooser.reason

    @property
    def has_link(self) -> bool:
        """Return False for a stack, of which the host has nothing."""
        return not isinstance(self._engine, NetstackEngine)

    @property
    def stack_device(self) -> Device | None:
        """Return the device with a stack of its own, or None if there is none."""
        return self._engine.device if isinstance(self._engine, NetstackEngine) else None

    @property
    def events(self) -> Events | None:
        """Return the events of the engine, or None if it has none."""
        return None if self._engine is None else self._engine.events

    def engine_status(self) -> InterfaceStatus:
        """Return the status without its link, which lists no routes. Raises InterfaceError if the engine has ended.

        Path MTUs that follow from the routes are those of the last whole status.
        """
        status = interface_status(self.name, self._require_engine().status(), None)
        if status.probe_sources is not None or self.observed is None:
            return status
        known = {peer.public_key: peer.path_mtu for peer in self.observed.peers}
        return replace(status, peers=tuple(replace(peer, path_mtu=known.get(peer.public_key)) for peer in status.peers))

    def observe(self, *, anew: bool = True) -> InterfaceStatus:
        """Return the whole status. Raises InterfaceError if there is no engine, or its link was deleted.

        Unless `anew`, the host is not asked again while it has reported no change, within `MAX_OBSERVATION_SHARE`.
        """
        engine, begun = self._require_engine(), thread_seconds()
        if isinstance(engine, NetstackEngine):
            self.observed = engine.observe()
            self.observation_seconds = thread_seconds() - begun
            return self.observed
        try:
            device = engine.status()
            status = join_host(engine.name, device, self._observe_host(device.fwmark, anew=anew))
            if self._pmtu and status.probe_sources is None:
                status = with_route_mtus(status, self._netlink)
        except InterfaceError as error:
            raise _link_deleted(engine.name) from error
        if status.link is None:
            raise _link_deleted(engine.name)
        self.observed = status
        self.observation_seconds = thread_seconds() - begun
        return status

    def on_host_change(self) -> None:
        """Observe the host again in the next round."""
        self._host_changed = True

    def _observe_host(self, fwmark: int, *, anew: bool) -> HostPart:
        host, now = self._host, monotonic_seconds()
        is_known = host is not None and host.fwmark == fwmark and not self._host_changed
        if host is None or anew or not is_known or now >= self._host_due_at:
            self._host_changed = False  # before it is read: what is reported meanwhile may be missed
            begun = thread_seconds()
            host = self._host = observe_host(self.name, fwmark, self._netlink)
            self._host_due_at = now + (thread_seconds() - begun) / MAX_OBSERVATION_SHARE
        return host

    def socket_problem(self) -> HostError | None:
        """Return an error if another program removed the socket of our engine, which `wg` and `warren status` use."""
        engine = self._require_engine()
        path = socket_path(engine.name)
        if engine.backend != "userspace" or path.exists():
            return None
        return HostError(f"{path} was removed by another program", code="uapi.socket_missing")

    def create(self, desired: InterfaceConfig, tables: Tables = NO_TABLES) -> tuple[Step | SetTables, ...]:
        """Create the interface, whole or not at all, or take over what a killed agent left. Raises WarrenError.

        `tables` are those of its stack, if it gets one.
        """
        self._engine = self._chooser.create(tables)
        try:
            if isinstance(self._engine, NetstackEngine):
                return self.update(desired, tables=tables)
            kept_mark = active_marks.of(self.name)  # of a link that was deleted, whose rules are still there
            if kept_mark and policy_table(desired) is not None and not desired.fwmark:
                self._engine.configure(InterfaceChange(fwmark=kept_mark))
            return self.update(desired)
        except BaseException:
            self.remove()
            raise

    def update(
        self, desired: InterfaceConfig, observed: InterfaceStatus | None = None, *, tables: Tables = NO_TABLES
    ) -> tuple[Step | SetTables, ...]:
        """Plan and apply the difference from `observed` to `desired` until there is none, and return the steps.

        Without `observed`, the interface is observed first. Nothing is planned again for the same states. Raises
        WarrenError; steps before the one that failed stay applied.
        """
        if isinstance(self._engine, NetstackEngine):
            applied, self.observed = self._engine.update(desired, tables)
            return applied
        self._pmtu = desired.pmtu
        if observed is not None and self._is_settled(desired, observed):
            return ()
        steps, status = converge(desired, self._require_engine(), self._netlink, self.observe, observed)
        self._settled = None if steps else (desired, status)
        return steps

    def _is_settled(self, desired: InterfaceConfig, observed: InterfaceStatus) -> bool:
        if self._settled is None:
            return False
        former_desired, former_observed = self._settled
        return former_desired is desired and former_observed.has_same_settings(observed)

    def release(self) -> None:
        """Stop the engine of a link that another program deleted.

        Rules and fallbacks of a default route stay for the link that `create` makes next, so that no packet leaves in
        clear meanwhile.
        """
        engine, self._engine = self._engine, None
        self.observed = self._settled = self._host = None  # they have the keys
        if engine is not None:
            engine.remove()

    def remove(self) -> None:
        """Remove the interface with its addresses, routes and rules; a second call does nothing."""
        has_policy = bool(active_marks.of(self.name))
        try:
            existed = self.exists and self.has_link
            self.release()
        finally:
            active_marks.record(self.name, None)
        if existed or has_policy:
            remove_stale_policy(self._netlink)

    def _require_engine(self) -> LiveEngine:
        if self._engine is None:
            raise InterfaceError("the interface does not exist yet", code="interface.closed")
        return self._engine


def _link_deleted(name: str) -> InterfaceError:
    return InterfaceError(
        f"the link {name} was deleted by another program",
        code="interface.ended",
        hint="the agent creates it again within seconds",
    )
