"""The criteria of an outcome."""

from __future__ import annotations

from collections.abc import Iterator

from soak import leak, stall
from soak.run import Outcome
from verdict import Verdict

# A session is renewed after 120 s; a loss or an incident may delay that by one more try.
RENEWED_SECONDS = 130.0
# Less says nothing of memory: buffers are still being used for the first time.
LEAK_SECONDS = 900.0
OURS = "Warren"


def verdicts(outcome: Outcome, seconds: float) -> Iterator[Verdict]:
    """Yield the verdict lines at the end of the report."""
    name = outcome.course.name
    yield from (judged for side in outcome.samples if (judged := of_memory(outcome, side, seconds)))
    yield from of_flows(outcome)
    yield from of_counters(outcome)
    renewed, least = min(map(len, outcome.handshakes.values())), seconds / RENEWED_SECONDS
    yield Verdict(f"{name}: sessions are renewed", renewed >= least, f"{renewed}, at least {least:.0f}")


def of_flows(outcome: Outcome) -> Iterator[Verdict]:
    """Yield verdicts on stalls. They depend on time, and so on the load of the machine."""
    for flow, carried in outcome.flows.items():
        moved = carried.received > 0 and not stall.findings(flow, carried.longest_seconds)
        figures = f"longest standstill {carried.longest_seconds:.1f} s"
        yield Verdict(f"{outcome.course.name}: no stall, {flow}", moved, figures)


def of_counters(outcome: Outcome) -> Iterator[Verdict]:
    """Yield verdicts on delivery and on the accounting of ends and path."""
    name, found = outcome.course.name, outcome.failures
    yield Verdict(f"{name}: every octet as it was sent, no datagram twice", not found, "; ".join(found) or "none other")
    found = [problem for ledgers in outcome.balances for ledger in ledgers for problem in ledger.findings()]
    balances = f"{len(outcome.balances)} balances"
    yield Verdict(f"{name}: counters agree at both ends", not found, "; ".join([balances, *found]))


def of_memory(outcome: Outcome, side: str, seconds: float) -> Verdict | None:
    """Yield verdicts on Warren's own engines."""
    engine = outcome.course.far if side == "far" else outcome.course.near
    if not engine.name.startswith(OURS):
        return None
    samples = outcome.samples[side]
    growth = f"{leak.growth_octets(samples) / 1024:+.0f} KiB in the last two thirds"
    figures = "; ".join([growth, *leak.findings(samples)])
    is_met = not leak.findings(samples) if seconds >= LEAK_SECONDS else None
    return Verdict(f"{outcome.course.name}: no leak, {side}", is_met, figures)
