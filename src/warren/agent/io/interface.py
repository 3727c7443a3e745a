"""The interface of a network: made once, then only changed. Every method may block."""

from __future__ import annotations

from warren._core import DeviceStatus, Events, Netlink
from warren.errors import HostError, InterfaceError
from warren.tunnel.config import InterfaceConfig
from warren.tunnel.io.apply import apply_steps
from warren.tunnel.io.backend import LiveEngine, create_engine
from warren.tunnel.io.in_process import OpenDriver, open_no_driver
from warren.tunnel.io.observe import merged, socket_path
from warren.tunnel.io.policy import sweep, with_mark
from warren.tunnel.network import Backend
from warren.tunnel.plan import Step, plan
from warren.tunnel.status import InterfaceStatus


class Interface:
    """One link with its engine."""

    def __init__(
        self, backend: Backend, netlink: Netlink, open_driver: OpenDriver = open_no_driver, home: str = ""
    ) -> None:
        self._wanted = backend
        self._open_driver = open_driver
        self._home = home
        self._netlink = netlink
        self._engine: LiveEngine | None = None

    @property
    def is_made(self) -> bool:
        """Whether there is one."""
        return self._engine is not None

    @property
    def backend(self) -> Backend:
        """Where it lives; before it is made, where it was told to."""
        return self._wanted if self._engine is None else self._engine.backend

    @property
    def events(self) -> Events | None:
        """What its engine tells, if it has one that tells."""
        return None if self._engine is None else self._engine.events

    def device(self) -> DeviceStatus:
        """The engine's part alone, which costs no netlink. Raises InterfaceError if there is none, or it has ended."""
        return self._made().status()

    def observe(self) -> InterfaceStatus:
        """What is. Raises InterfaceError if there is no engine, or its link was deleted."""
        engine = self._made()
        try:
            status = merged(engine.name, engine.status(), self._netlink)
        except InterfaceError as error:
            raise _deleted(engine.name) from error
        if status.link is None:
            raise _deleted(engine.name)
        return status

    def socket_problem(self) -> HostError | None:
        """That others have removed the socket by which `wg` and `warren status` see an engine of our own."""
        engine = self._made()
        path = socket_path(engine.name)
        if engine.backend != "userspace" or path.exists():
            return None
        return HostError(f"{path} was removed by others", code="uapi.socket_missing")

    def make(self, desired: InterfaceConfig) -> tuple[Step, ...]:
        """Makes it, whole or not at all, or takes over what an agent that was killed has left. Raises WarrenError."""
        sweep(self._netlink)
        self._engine = create_engine(self._wanted, desired.name, self._netlink, self._open_driver, self._home)
        try:
            return self.change(desired)
        except BaseException:
            self.remove()
            raise

    def change(self, desired: InterfaceConfig) -> tuple[Step, ...]:
        """Makes the difference, and says what that took. Raises WarrenError; what was done before it stays."""
        engine = self._made()
        status = self.observe()
        steps = plan(with_mark(desired, self._netlink, status), status)
        apply_steps(steps, engine, self._netlink)
        return steps

    def remove(self) -> None:
        """Takes it away, with its addresses, routes and rules; a second time does nothing."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.remove()
            sweep(self._netlink)

    def _made(self) -> LiveEngine:
        if self._engine is None:
            raise InterfaceError("the interface was not made yet", code="interface.closed")
        return self._engine


def _deleted(name: str) -> InterfaceError:
    problem, hint = f"the link {name} was deleted by another program", "it is made anew within seconds"
    return InterfaceError(problem, code="interface.ended", hint=hint)
