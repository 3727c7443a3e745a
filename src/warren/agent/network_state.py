"""The state of one network: its lifecycle, the last status of its engine, and counters that never go down."""

from __future__ import annotations

from warren._core import Event, PublicKey
from warren.errors import WarrenError
from warren.telemetry.conditions import Condition
from warren.tunnel.counters import Counters
from warren.tunnel.lifecycle import RUNNING, LifecycleEvent, State, after
from warren.tunnel.status import InterfaceStatus


class NetworkState:
    """The state of one network from the agent's start to its end."""

    def __init__(self, network: str) -> None:
        """Begin in state `uninitialized`."""
        self.network = network
        self.lifecycle = State.UNINITIALIZED
        self.is_wanted = False
        """True while somebody wants the network up: only then a failure is retried (H-38)."""
        self.error: WarrenError | None = None
        """Why it is in state `error`, or why its last change was refused."""
        self.connected_since: float | None = None
        self.status: InterfaceStatus | None = None
        self.advice: tuple[Condition, ...] = ()
        """Warnings about its configuration."""
        self.warnings: dict[str, Condition] = {}
        """Warnings about a network that works, by subject."""
        self.pending: dict[PublicKey, str] = {}
        """Peers whose endpoint has no address yet, and why."""
        self.tried: dict[PublicKey, tuple[str, ...]] = {}
        """Peers with several addresses that do not answer, and the addresses that were tried."""
        self.counters = Counters()
        self.handshakes_succeeded = 0
        self.handshakes_failed = 0

    @property
    def is_running(self) -> bool:
        """Return True while the network is up or coming up."""
        return self.lifecycle in RUNNING

    def advance(self, event: LifecycleEvent, now: float) -> None:
        """Move to the next lifecycle state. Raises StateError for an impossible event, with nothing changed."""
        self.lifecycle = after(self.lifecycle, event, self.network)
        if event is LifecycleEvent.START:
            self.error = None
            self.warnings.clear()
            self.counters.restart()
        if self.lifecycle is State.ACTIVE:
            self.connected_since = now
        elif self.lifecycle in (State.STOPPED, State.ERROR):
            self.connected_since, self.status = None, None

    def set_warning(self, subject: str, condition: Condition | None) -> bool:
        """Keep or clear the warning about `subject`; return True for a warning that was not there before."""
        before = self.warnings.pop(subject, None)
        if condition is not None:
            self.warnings[subject] = condition
        return condition not in (None, before)

    def fail(self, error: WarrenError, now: float) -> None:
        """Move to state `error` and keep the reason."""
        self.advance(LifecycleEvent.FAILED, now)
        self.error = error

    def record_status(self, status: InterfaceStatus, *, has_events: bool = True) -> None:
        """Keep the status of the engine. Without events, handshakes are counted by the times that peers report."""
        if not has_events:
            self.handshakes_succeeded += _new_handshakes(self.status, status)
        self.status = status
        self.counters.observe(status.peers)

    def record_event(self, event: Event) -> None:
        """Count an event of the engine that concerns a handshake."""
        match event:
            case Event.HandshakeCompleted():
                self.handshakes_succeeded += 1
            case Event.HandshakeTimedOut():
                self.handshakes_failed += 1


def _new_handshakes(before: InterfaceStatus | None, now: InterfaceStatus) -> int:
    former = {} if before is None else {peer.public_key: peer.latest_handshake for peer in before.peers}
    return sum(peer.latest_handshake not in (None, former.get(peer.public_key)) for peer in now.peers)
