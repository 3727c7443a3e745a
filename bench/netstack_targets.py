"""The targets of the network stack, one verdict per line with its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from markdown import number
from netstack_results import OWN, Best, ProxyResults, Results, best_peer, cases
from proxy_cases import Case, counted
from verdict import Verdict

Figure = Callable[[ProxyResults], float | None]

MOST_COST, MOST_COST_OF_MANY, MANY = 0.4, 0.2, 100
LEAST_RATE = 1.5
MOST_DIAL = 1.0
TAILSCALE = "Tailscale"
MOST_DATAGRAM_COST, LEAST_DATAGRAMS = 0.25, 1.3
PEAK_FLOWS, MOST_PEAK_MEBIBYTES = 10, 60.0
MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Ratio:
    """Warren's figure divided by the best peer's."""

    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit of a ratio."""

    times: float
    is_upper: bool

    def __str__(self) -> str:
        """Return the limit in words."""
        return f"at {'most' if self.is_upper else 'least'} {self.times:g} x the best peer's"

    @property
    def best(self) -> Best:
        """Return what picks the best peer's figure."""
        return min if self.is_upper else max

    def worst(self, ratios: list[Ratio]) -> Ratio:
        """Return the ratio that is nearest to the wrong side of the limit."""
        return (max if self.is_upper else min)(ratios, key=lambda ratio: ratio.value)

    def is_met(self, ratio: Ratio) -> bool:
        """Return whether a ratio is within the limit."""
        return ratio.value <= self.times if self.is_upper else ratio.value >= self.times


def verdicts(results: Results) -> Iterator[Verdict]:
    """Yield a verdict for every target, against the best peer of the same run in each case."""
    if OWN not in results:
        return
    counts = sorted({case.flows for case in cases(results)})
    for flows in counts:
        bound = Bound(MOST_COST_OF_MANY if flows >= MANY else MOST_COST, is_upper=True)
        yield _of_cases(f"CPU-s/GB at {counted(flows)}", results, flows, ProxyResults.cost, bound)
    for flows in counts:
        bound = Bound(LEAST_RATE, is_upper=False)
        yield _of_cases(f"Gb/s at {counted(flows)}", results, flows, ProxyResults.gigabits, bound)
    dial = ratio(results, lambda each: each.dial_ms(0.5), Bound(MOST_DIAL, is_upper=True))
    yield _verdict("dial p50 in ms", [dial], Bound(MOST_DIAL, is_upper=True))
    with_tailscale = {name: each for name, each in results.items() if name in {OWN, TAILSCALE}}
    cost, received = Bound(MOST_DATAGRAM_COST, is_upper=True), Bound(LEAST_DATAGRAMS, is_upper=False)
    yield _verdict("CPU-s/GB of UDP", [ratio(with_tailscale, _datagram_cost, cost)], cost)
    yield _verdict("Mb/s of UDP received", [ratio(with_tailscale, _datagrams, received)], received)
    yield _peak(results)


def ratio(results: Results, figure: Figure, bound: Bound) -> Ratio | None:
    """Return Warren's figure divided by the best peer's; None where one of them is absent."""
    own, peer = figure(results[OWN]), best_peer(results, figure, bound.best)
    if own is None or peer is None or not peer[1]:
        return None
    value = own / peer[1]
    return Ratio(value, f"{number(own)} is {value:.2f} x {peer[0]}'s {number(peer[1])}")


def _of_cases(
    what: str, results: Results, flows: int, figure: Callable[[ProxyResults, Case], float | None], bound: Bound
) -> Verdict:
    """Return the verdict on all cases with this many flows: the worst of them decides."""
    ratios = []
    for case in cases(results):
        if case.flows == flows:
            of_case = ratio(results, partial(_figure, figure, case), bound)
            ratios.append(of_case and Ratio(of_case.value, f"{case.way.value} {case.direction.value} {of_case.text}"))
    return _verdict(what, ratios, bound)


def _figure(figure: Callable[[ProxyResults, Case], float | None], case: Case, each: ProxyResults) -> float | None:
    return figure(each, case)


def _verdict(what: str, ratios: list[Ratio | None], bound: Bound) -> Verdict:
    what = f"{what}, {bound}"
    present = [each for each in ratios if each]
    if not present or len(present) < len(ratios):
        return Verdict(what, None, "a figure is absent")
    return Verdict(what, all(map(bound.is_met, present)), bound.worst(present).text)


def _datagram_cost(each: ProxyResults) -> float | None:
    return each.datagram(lambda run: run.cpu_seconds_per_gigabyte)


def _datagrams(each: ProxyResults) -> float | None:
    return each.datagram(lambda run: run.megabits)


def _peak(results: Results) -> Verdict:
    what = f"RSS peak at {PEAK_FLOWS} flows, at most {MOST_PEAK_MEBIBYTES:g} MiB"
    peak = results[OWN].peak_bytes(PEAK_FLOWS)
    if peak is None:
        return Verdict(what, None, "a figure is absent")
    mebibytes = peak / MEBIBYTE
    return Verdict(what, mebibytes <= MOST_PEAK_MEBIBYTES, f"{number(mebibytes, 0)} MiB")
