"""One tunnel from its first handshake to its last balance."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle

from engines import Engine
from soak import sample
from soak.accounting import Ledger
from soak.impairment import Weather
from soak.incidents import DEEDS, Incidents, guest_of
from soak.line import Line, opened
from soak.sample import Sample
from soak.status import Status

SAMPLE_SECONDS = 10.0
STEP_SECONDS = 0.2
ROUGH = Weather(lost=0.01, doubled=0.005, broken=0.002, delay_seconds=0.01, jitter_seconds=0.008)
FAIR = Weather(lost=0.01, doubled=0.0, broken=0.0, delay_seconds=0.01, jitter_seconds=0.008)
GUESTS = "a guest comes with a new key, the last one goes"
# What ends a session makes an engine refuse data; one that does not name its reasons is spared that.
GENTLE = (
    "the far end hears the near one from elsewhere",
    "the near end hears the far one from elsewhere",
    "the path is interrupted",
    GUESTS,
    "another MTU",
    "a hundred peers come, a hundred go",
    GUESTS,
)


@dataclass(frozen=True, slots=True)
class Course:
    """The plan of one tunnel."""

    name: str
    near: Engine
    far: Engine
    weather: Weather
    kinds: tuple[str, ...]
    with_ipv6: tuple[str, ...] = ("near", "far")
    """The ends that also receive from the other over IPv6."""

    @classmethod
    def telling(cls, near: Engine, far: Engine) -> Course:
        """Return the incidents between engines that report every drop reason: all but guests."""
        return cls("library", near, far, ROUGH, tuple(kind for kind in DEEDS if kind != GUESTS))

    @classmethod
    def silent(cls, near: Engine, far: Engine) -> Course:
        """Return the incidents between engines that report only sums."""
        # The first datagrams of wireguard-go after its peer came to it over IPv6 go to an address that is nobody's.
        return cls("daemon", near, far, FAIR, GENTLE, with_ipv6=("near",))


@dataclass(frozen=True, slots=True)
class Pace:
    """Duration in seconds."""

    total: float
    between_incidents: float
    between_balances: float
    outage: float

    @classmethod
    def of(cls, total: float) -> Pace:
        """Return the intervals: in an hour an incident every 20 s and a balance every five minutes."""
        return cls(
            total,
            between_incidents=min(20.0, total / 20),
            between_balances=min(300.0, total / 3),
            outage=min(8.0, total / 20),
        )


@dataclass(frozen=True, slots=True)
class Carried:
    """The report of one flow."""

    sent: int
    received: int
    unit: str
    longest_seconds: float
    """The longest stall without an excuse, in seconds."""


@dataclass(slots=True)
class Outcome:
    """The outcome of a run."""

    course: Course
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    handshakes: dict[str, set[float]] = field(default_factory=dict)
    """Times of the last incident, as observed."""
    balances: list[list[Ledger]] = field(default_factory=list)
    happened: dict[str, int] = field(default_factory=dict)
    moves: int = 0
    last: dict[str, Status] = field(default_factory=dict)
    flows: dict[str, Carried] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def run(course: Course, pace: Pace, tell: Callable[[str], None]) -> Outcome:
    """Run the tunnel to its end. Raises BenchError if the topology cannot be created or counters never settle."""
    outcome = Outcome(course)
    with opened(course.name, course.near, course.far, course.weather, course.with_ipv6) as line:
        incidents = Incidents(line, pace.outage, course.kinds)
        if GUESTS in course.kinds:
            incidents.guest = guest_of(line, course.near)
        carry_on(line, incidents, pace, outcome, tell)
        settle(line, incidents, outcome, tell)
    for flow in line.flows:  # the content is judged when they have ended
        outcome.failures += flow.failures
    return outcome


def carry_on(line: Line, incidents: Incidents, pace: Pace, outcome: Outcome, tell: Callable[[str], None]) -> None:
    """Run incidents, samples and balances when each is due, until the time is over."""
    begin = time.monotonic()
    kinds = cycle(incidents.kinds)
    next_sample, next_incident, next_balance = 0.0, pace.between_incidents, pace.between_balances
    while (at := time.monotonic() - begin) < pace.total:
        if at >= next_sample:
            next_sample += SAMPLE_SECONDS
            look(line, incidents, outcome, at)
        if at >= next_balance and at < pace.total - pace.between_balances / 2:
            next_balance += pace.between_balances
            balance(line, outcome, tell)
        elif at >= next_incident:
            next_incident += pace.between_incidents
            incidents.happen(kind := next(kinds))
            tell(f"{line.name}, {at:.0f} s: {kind}")
        time.sleep(STEP_SECONDS)


def look(line: Line, incidents: Incidents, outcome: Outcome, at: float) -> None:
    """Sample processes and handshakes."""
    ends = line.ends | ({"guest": incidents.guest} if incidents.guest else {})
    for side, end in ends.items():
        outcome.samples.setdefault(side, []).append(sample.of_process(end.pid, at))
    for side in line.ends:
        outcome.handshakes.setdefault(side, set()).add(line.status(side).latest_handshake)


def balance(line: Line, outcome: Outcome, tell: Callable[[str], None]) -> None:
    """Take the balance of both directions."""
    ledgers = line.balanced()
    outcome.balances.append(ledgers)
    for ledger in ledgers:
        tell(f"{ledger.name}: {'; '.join(ledger.findings()) or f'{ledger.rx_bytes:,} octets in balance'}")


def settle(line: Line, incidents: Incidents, outcome: Outcome, tell: Callable[[str], None]) -> None:
    """Take the last balance, and the sums."""
    now = time.monotonic()
    longest = {flow.name: line.watch.longest(flow.name, now) for flow in line.flows}
    balance(line, outcome, tell)
    outcome.flows = {flow.name: Carried(flow.sent, flow.received, flow.unit, longest[flow.name]) for flow in line.flows}
    outcome.happened, outcome.moves = dict(incidents.happened), line.path.moves
    outcome.last = {side: line.status(side) for side in line.ends}
