"""The tables of `make bench-paths`."""

from __future__ import annotations

from collections.abc import Iterator

from markdown import NOTHING, number, table
from path_results import PathResults
from path_scenarios import BESIDE, FEW, LOSSES, MANY, QUEUES_IN_BDP, SENDERS, alone, beside_cubic, together


def tables(results: PathResults) -> Iterator[str]:
    """Yield the tables of one flow, of flows of one kind, of a flow beside CUBIC, and of receivers."""
    yield _alone(results)
    yield _together(results)
    yield _beside(results)
    yield _receivers(results)
    for scenario, reason in results.failures.items():
        names = " and ".join(f"{flows} x {sender}" for sender, flows in scenario.senders)
        yield f"Failed in a round: {names}, loss {scenario.route.loss_percent:g} %: {reason}."


def _alone(results: PathResults) -> str:
    head = ["one flow, Mb/s at loss", *(f"{loss:g} %" for loss in LOSSES), "queue drops % without loss"]
    rows = []
    for sender in SENDERS:
        rates = [number(results.megabits(alone(sender, loss)), 0) for loss in LOSSES]
        rows.append([str(sender), *rates, number(results.dropped_percent(alone(sender, 0)), 2)])
    return table(head, rows)


def _together(results: PathResults) -> str:
    head = ["flows of one kind"]
    head += [f"{FEW} flows, Mb/s", "slower : faster", f"{MANY} flows, Mb/s", "slowest : fastest", "Jain index"]
    rows = []
    for sender in SENDERS:
        few, many = together(sender, FEW), together(sender, MANY)
        figures = [number(results.megabits(few), 0), number(results.evenness(few))]
        figures += [number(results.megabits(many), 0), number(results.evenness(many))]
        rows.append([str(sender), *figures, number(results.jain_index(many), 3)])
    return table(head, rows)


def _beside(results: PathResults) -> str:
    head = ["beside one flow of kernel, CUBIC"]
    for queue in QUEUES_IN_BDP:
        head += [f"queue {queue:g} BDP: CUBIC has %", "both, Mb/s", "queue drops %"]
    rows = []
    for sender in BESIDE:
        row = [str(sender)]
        for queue in QUEUES_IN_BDP:
            scenario = beside_cubic(sender, queue)
            total = results.figure(scenario, lambda run: sum(run.totals))
            row += [number(results.cubic_percent(scenario), 0), number(total, 0)]
            row.append(number(results.dropped_percent(scenario), 2))
        rows.append(row)
    return table(head, rows)


def _receivers(results: PathResults) -> str:
    own, kernel = results.received(is_own=True), results.received(is_own=False)
    ratio = f"{own / kernel:.2f} x" if own is not None and kernel else NOTHING
    rows = [["tcp", number(own, 0), ratio], ["kernel", number(kernel, 0), "1.00 x"]]
    return table(["receiver, of kernel BBR", "Mb/s in the first seconds", "to the kernel"], rows)
