"""The targets of TCP over a long path, one verdict per line with its figures."""

from __future__ import annotations

from collections.abc import Iterator

from markdown import number
from path_results import PathResults
from path_scenarios import FEW, LOSSES, MANY, QUEUES_IN_BDP, alone, beside_cubic, together
from senders import KERNEL_BBR, KERNEL_CUBIC, OWN_BBR, OWN_CUBIC
from verdict import Verdict, at_least, at_most

LEAST_OF_KERNEL = {OWN_BBR: (0.85, KERNEL_BBR), OWN_CUBIC: (0.9, KERNEL_CUBIC)}
LEAST_AS_RECEIVER = 0.95
LEAST_EVENNESS, LEAST_JAIN = 0.7, 0.9
LEAST_CUBIC_PERCENT, MOST_DROPPED_PERCENT = 30.0, 2.0


def verdicts(results: PathResults) -> Iterator[Verdict]:
    """Yield a verdict for every target, against the kernel in the same run."""
    for own, (times, kernel) in LEAST_OF_KERNEL.items():
        for loss in LOSSES:
            what = f"{own} at {loss:g} % loss, at least {times:g} x {kernel}"
            yield of_kernel(what, results.megabits(alone(own, loss)), results.megabits(alone(kernel, loss)), times)
    what = f"received, at least {LEAST_AS_RECEIVER:g} x the kernel"
    yield of_kernel(what, results.received(is_own=True), results.received(is_own=False), LEAST_AS_RECEIVER)
    for own in LEAST_OF_KERNEL:
        few, many = results.evenness(together(own, FEW)), results.jain_index(together(own, MANY))
        yield at_least(f"{own}, {FEW} flows share no worse than {LEAST_EVENNESS:g} : 1", few, LEAST_EVENNESS, ": 1")
        yield at_least(f"{own}, {MANY} flows, Jain index at least {LEAST_JAIN:g}", many, LEAST_JAIN, "")
    for queue in QUEUES_IN_BDP:
        scenario = beside_cubic(OWN_BBR, queue)
        what = f"{OWN_BBR} beside {KERNEL_CUBIC}, queue of {queue:g} BDP"
        share, dropped = results.cubic_percent(scenario), results.dropped_percent(scenario)
        yield at_least(f"{what}: CUBIC keeps at least {LEAST_CUBIC_PERCENT:g} %", share, LEAST_CUBIC_PERCENT, "%")
        yield at_most(f"{what}: at most {MOST_DROPPED_PERCENT:g} % dropped", dropped, MOST_DROPPED_PERCENT, "%")


def of_kernel(what: str, own: float | None, kernel: float | None, times: float) -> Verdict:
    """Return the verdict on a throughput being at least this many times the kernel's."""
    if own is None or not kernel:
        return Verdict(what, None, "a figure is absent")
    reached = own / kernel
    return Verdict(what, reached >= times, f"{number(own, 0)} Mb/s is {reached:.2f} x {number(kernel, 0)} Mb/s")
