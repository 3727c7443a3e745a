"""The soak in Markdown."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

import machine
from markdown import number, table
from soak import leak
from soak.accounting import Ledger
from soak.run import Outcome
from soak.sample import Sample
from soak.stall import LIMIT_SECONDS
from verdict import Verdict

KIB = 1024


def document(outcomes: Sequence[Outcome], verdicts: Sequence[Verdict], seconds: float, began: str) -> str:
    """All of it."""
    courses = (line for outcome in outcomes for line in course(outcome))
    return "\n".join([*head(seconds, began), *courses, *tail(verdicts)])


def head(seconds: float, began: str) -> Iterator[str]:
    """What was run, where and when."""
    yield "# Soak"
    yield ""
    yield f"The tunnels of `make soak` on {began}, for {seconds:,.0f} s; {machine.description()}; load average of the"
    yield f"machine at the end {os.getloadavg()[2]:.1f}, which standstills depend on."
    yield "Two tunnels at once, each between network namespaces, with a translator in between that loses, delays,"
    yield "doubles, breaks, reorders and counts datagrams. Traffic flows all the time, some hundred kilobytes a second."
    yield ""


def course(outcome: Outcome) -> Iterator[str]:
    """One tunnel."""
    of = outcome.course
    weather = of.weather
    yield f"## {of.near.name} and {of.far.name}"
    yield ""
    yield f"Of all datagrams {weather.lost:.1%} are lost, {weather.doubled:.1%} doubled, {weather.broken:.1%} broken."
    yield f"They take {1000 * weather.delay_seconds:g} ms and up to {1000 * weather.jitter_seconds:g} ms more."
    yield ""
    yield from incidents(outcome)
    yield ends(outcome)
    yield ""
    yield directions(outcome.balances[-1])
    yield ""
    yield "Sent is what the sending host's kernel took; at the end, a part may wait there for TCP's timer."
    yield ""
    yield flows(outcome)
    yield ""


def incidents(outcome: Outcome) -> Iterator[str]:
    """How often what happened."""
    yield "What happened, and how often:"
    yield ""
    yield from (f"- {kind}: {times}" for kind, times in outcome.happened.items())
    yield ""


def ends(outcome: Outcome) -> str:
    """Processes and sessions."""
    memory = ["Memory KiB, first", "a third on", "last", "growth since"]
    columns = ["End", *memory, "Descriptors", "Threads", "Sessions", "Moves heard", "Engine"]
    return table(columns, [end(outcome, side, samples) for side, samples in outcome.samples.items()])


def end(outcome: Outcome, side: str, samples: Sequence[Sample]) -> list[str]:
    """One process."""
    engine = outcome.course.far if side == "far" else outcome.course.near
    memory = (samples[0], leak.settled(samples)[0], samples[-1])
    events = outcome.last[side].events if side in outcome.last else None
    seen = outcome.handshakes.get(side, ())
    return [
        side,
        *(number(sample.octets / KIB, 0) for sample in memory),
        number(leak.growth_octets(samples) / KIB, 0),
        f"{samples[-1].descriptors}",
        f"{samples[-1].threads}",
        str(events["HandshakeCompleted"] if events else len(seen) or "-"),
        str(events.get("EndpointChanged", 0) if events else "-"),
        f"{engine.name} {engine.version}",
    ]


def directions(ledgers: Sequence[Ledger]) -> str:
    """The last balance."""
    columns = ["At the last balance", *(ledger.name for ledger in ledgers), "Unit"]
    return table(columns, [[title, *map(read, ledgers), unit] for title, (unit, read) in LINES.items()])


def flows(outcome: Outcome) -> str:
    """Traffic."""
    columns = ["Flow", "Sent", "Arrived", "Longest standstill, s", "Unit"]
    rows = [
        [name, f"{flow.sent:,}", f"{flow.received:,}", f"{flow.longest_seconds:.1f}", flow.unit]
        for name, flow in outcome.flows.items()
    ]
    return table(columns, rows)


def tail(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """What must be true."""
    yield "## Verdict"
    yield ""
    yield f"A standstill counts outside announced interruptions and may last {LIMIT_SECONDS:g} s."
    yield ""
    yield from map(str, verdicts)


def counted(datagrams: int | None) -> str:
    """Of datagrams, or that the engine does not tell."""
    return "not told" if datagrams is None else f"{datagrams:,}"


OCTETS, DATAGRAMS = "octets", "datagrams"
LINES: dict[str, tuple[str, Callable[[Ledger], str]]] = {
    "made by the sender": (OCTETS, lambda ledger: f"{ledger.tx_bytes:,}"),
    "refused by the sender's host": (DATAGRAMS, lambda ledger: counted(ledger.send_refused)),
    "arrived at the path": (OCTETS, lambda ledger: f"{ledger.toll.arrived.octets:,}"),
    "lost there": (OCTETS, lambda ledger: f"{ledger.toll.lost.octets:,}"),
    "broken there": (OCTETS, lambda ledger: f"{ledger.toll.broken.octets:,}"),
    "interrupted there": (OCTETS, lambda ledger: f"{ledger.toll.cut.octets:,}"),
    "sent to where the path had been": (OCTETS, lambda ledger: f"{ledger.toll.stale.octets:,}"),
    "refused by the path's host": (OCTETS, lambda ledger: f"{ledger.toll.refused.octets:,}"),
    "passed on": (OCTETS, lambda ledger: f"{ledger.toll.passed.octets:,}"),
    "passed on besides, copies and broken": (DATAGRAMS, lambda ledger: f"{ledger.toll.spurious:,}"),
    "dropped by the receiver for a reason": (DATAGRAMS, lambda ledger: counted(ledger.refused)),
    "without a socket at the receiver": (DATAGRAMS, lambda ledger: f"{ledger.undelivered:,}"),
    "taken by the receiver": (OCTETS, lambda ledger: f"{ledger.rx_bytes:,}"),
}
