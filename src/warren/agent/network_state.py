"""What the agent has seen of one network: its state, what its engine said last, and counts that never go down."""

from __future__ import annotations

from warren._core import Event, PublicKey
from warren.errors import WarrenError
from warren.telemetry.sample import Notice
from warren.tunnel.counters import Counters
from warren.tunnel.lifecycle import State, Step, after
from warren.tunnel.status import InterfaceStatus


class NetworkState:
    """Kept from the agent's start to its end."""

    def __init__(self, network: str) -> None:
        self.network = network
        self.state = State.UNINITIALIZED
        self.error: WarrenError | None = None
        """Why it is in state `error`, or why the last change of it was not taken."""
        self.connected_since: float | None = None
        self.status: InterfaceStatus | None = None
        self.advice: tuple[Notice, ...] = ()
        """What a person should know of its configuration."""
        self.warnings: dict[str, Notice] = {}
        """What a person should know though it works, by what it is about."""
        self.pending: dict[PublicKey, str] = {}
        """Peers whose endpoint has no address yet, and why."""
        self.counters = Counters()
        self.handshakes_succeeded = 0
        self.handshakes_failed = 0

    def step(self, step: Step, now: float) -> None:
        """Goes to the next state. Raises StateError if there is none, with nothing changed."""
        self.state = after(self.state, step, self.network)
        if step is Step.START:
            self.error = None
            self.warnings.clear()
            self.counters.restart()
        if self.state is State.ACTIVE:
            self.connected_since = now
        elif self.state in (State.STOPPED, State.ERROR):
            self.connected_since, self.status = None, None

    def warn(self, about: str, notice: Notice | None) -> bool:
        """Keeps a warning, or takes it back; true if that is news."""
        before = self.warnings.pop(about, None)
        if notice is not None:
            self.warnings[about] = notice
        return notice not in (None, before)

    def fail(self, error: WarrenError, now: float) -> None:
        """It does not work, for this reason."""
        self.step(Step.FAILED, now)
        self.error = error

    def saw(self, status: InterfaceStatus, *, tells: bool = True) -> None:
        """What the engine says at this moment. Of one that tells no events, handshakes are counted by their times."""
        if not tells:
            self.handshakes_succeeded += _new_handshakes(self.status, status)
        self.status = status
        self.counters.observe(status.peers)

    def heard(self, event: Event) -> None:
        """Counts an event of the engine that is a handshake's."""
        match event:
            case Event.HandshakeCompleted():
                self.handshakes_succeeded += 1
            case Event.HandshakeGaveUp():
                self.handshakes_failed += 1


def _new_handshakes(before: InterfaceStatus | None, now: InterfaceStatus) -> int:
    known = {} if before is None else {peer.public_key: peer.latest_handshake for peer in before.peers}
    return sum(peer.latest_handshake not in (None, known.get(peer.public_key)) for peer in now.peers)
