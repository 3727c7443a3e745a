"""The backend of a network's interface: the kernel's WireGuard, our engine on a TUN, or with a stack of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from warren._core import DeviceStatus, Events, Netlink
from warren.errors import HostError
from warren.tunnel.backend_rule import BackendRule
from warren.tunnel.io.apply import Engine
from warren.tunnel.io.bringup import check_free
from warren.tunnel.io.in_process import InProcessEngine, OpenDriver, open_no_driver
from warren.tunnel.io.kernel import KernelEngine
from warren.tunnel.io.netstack import NetstackEngine
from warren.tunnel.io.policy import remove_stale_policy
from warren.tunnel.netstack import Tables
from warren.tunnel.network import ConcreteBackend

CANNOT_BE_HAD = frozenset(("engine.no_kernel", "host.no_tun", "host.not_permitted"))
"""The refusals of a host that `auto` passes over. Any other failure may pass, and another backend would hide it."""


class LiveEngine(Engine, Protocol):
    """An engine whose status can be read."""

    backend: ConcreteBackend

    def status(self) -> DeviceStatus:
        """Return the engine's part of an interface's status. Raises InterfaceError once it has ended."""

    @property
    def events(self) -> Events | None:
        """Return the events of the engine, or None if it has none."""


class BackendChooser:
    """Creates the engine of one interface by its rule, and says why it is of that backend."""

    def __init__(
        self,
        name: str,
        rule: BackendRule,
        netlink: Netlink,
        open_driver: OpenDriver = open_no_driver,
        agent_id: str = "",
    ) -> None:
        """`agent_id` marks the links of one agent (link_owner.py)."""
        self._name = name
        self._rule = rule
        self._netlink = netlink
        self._open_driver = open_driver
        self._agent_id = agent_id
        self._refusals: dict[ConcreteBackend, str] = {}

    @property
    def reason(self) -> str:
        """Return why the backends before the one in use are not; empty if it is the first of all or the only one."""
        return _reasons({**self._rule.excluded, **self._refusals})

    def create(self, tables: Tables) -> LiveEngine:
        """Create the engine, or take over what a killed process left of it in the kernel.

        Raises WarrenError, with nothing left: `backend.unavailable` if no backend can be had, InterfaceError if such a
        link belongs to another program.
        """
        self._refusals.clear()
        candidates = self._rule.candidates
        if (taken := self._take_over_link()) is not None:
            return taken
        for backend in candidates:
            try:
                return self._create(backend, tables)
            except HostError as error:
                if error.code not in CANNOT_BE_HAD or (len(candidates) == 1 and not self._rule.excluded):
                    raise
                self._refusals[backend] = str(error)
        problem = f"no backend can be had for {self._name}: {self.reason}"
        raise HostError(problem, code="backend.unavailable")

    def _take_over_link(self) -> LiveEngine | None:
        """Take over the kernel's link of an ended process, or remove it where the rule does not begin with it."""
        kernel = KernelEngine(self._name, self._netlink, self._agent_id)
        if not kernel.take_over():
            return None
        if "kernel" in self._rule.candidates:
            remove_stale_policy(self._netlink)
            return kernel
        kernel.remove()
        return None

    def _prepare_host(self) -> None:
        """Remove rules that a killed process left, and check that no other link has the name. Raises WarrenError."""
        remove_stale_policy(self._netlink)
        check_free(self._name, self._netlink)

    def _create(self, backend: ConcreteBackend, tables: Tables) -> LiveEngine:
        engine: LiveEngine
        match backend:
            case "netstack":
                engine = NetstackEngine(self._name, tables)
            case "userspace":
                self._prepare_host()
                engine = InProcessEngine(self._name, self._open_driver)
            case "kernel":
                self._prepare_host()
                engine = KernelEngine(self._name, self._netlink, self._agent_id)
        engine.create()
        return engine


def _reasons(refusals: Mapping[ConcreteBackend, str]) -> str:
    return "; ".join(f"{backend}: {refusal}" for backend, refusal in refusals.items())
