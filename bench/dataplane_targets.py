"""The targets of the data plane, one verdict per line with its figures."""

from __future__ import annotations

from collections.abc import Iterator

from figures import Figures, Results
from throughput import MODES, SINGLE, UDP
from verdict import Verdict, at_most

# Times Warren's throughput over the other's, in every TCP mode.
TCP_TARGETS = {"wireguard-go": 1.5, "boringtun-cli": 4.0, "gotatun-cli": 3.0}
UDP_TARGET = 2.0
AIM, AIM_GIGABITS = 2.0, 8.0


def verdicts(results: Results, *, has_avx512: bool) -> Iterator[Verdict]:
    """Yield a verdict for every required target of the data plane, then for every goal."""
    tcp = [mode for mode in MODES if mode.is_tcp]
    for other, times in TCP_TARGETS.items():
        for mode in tcp:
            what = f"{mode.name}, at least {times:g} x {other}"
            yield ratio(what, results.of("Warren", mode), results.of(other, mode), times)
    what = f"UDP received, at least {UDP_TARGET:g} x wireguard-go"
    yield ratio(what, results.of("Warren", UDP), results.of("wireguard-go", UDP), UDP_TARGET)
    yield _loaded(results)
    for mode in tcp:
        what = f"aim: {mode.name}, at least {AIM:g} x wireguard-go"
        yield ratio(what, results.of("Warren", mode), results.of("wireguard-go", mode), AIM)
    if has_avx512:
        yield _absolute(results)


def ratio(what: str, ours: Figures | None, other: Figures | None, times: float) -> Verdict:
    """Return the verdict on Warren being this many times as fast as another engine."""
    if not ours or not other or not other.gigabits:
        return Verdict(what, None, "a figure is absent")
    reached = ours.gigabits / other.gigabits
    return Verdict(what, reached >= times, f"{_told(ours)} is {reached:.2f} x {_told(other)}")


def _told(figures: Figures) -> str:
    note = f" ({figures.disturbance})" if figures.disturbance else ""
    return f"{figures.gigabits:.2f} Gb/s{note}"


def _loaded(results: Results) -> Verdict:
    what = "p99 of echoes under load no worse than wireguard-go's"
    ours, other = (results.latency(name)["loaded p99"] for name in ("Warren", "wireguard-go"))
    if other is None:
        return Verdict(what, None, "a figure is absent")
    return at_most(f"{what} {other:.2f} ms", ours, other, "ms")


def _absolute(results: Results) -> Verdict:
    what = f"aim: {SINGLE.name}, at least {AIM_GIGABITS:g} Gb/s with AVX-512"
    ours = results.of("Warren", SINGLE)
    if not ours:
        return Verdict(what, None, "a figure is absent")
    return Verdict(what, ours.gigabits >= AIM_GIGABITS, _told(ours))
