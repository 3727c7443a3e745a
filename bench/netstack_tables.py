"""The tables of `make bench-netstack`."""

from __future__ import annotations

from collections.abc import Iterator

from contention import DISTURBING
from engines import Absent
from figures import middle
from flowgen import Direction
from markdown import NOTHING, number, table
from netstack_results import ProxyResults, Results
from proxies import Proxy
from proxy_cases import DATAGRAM_BYTES, DATAGRAM_MEGABITS, Case, Way, counted

MEBIBYTE = 1 << 20
WAYS = [(way, direction) for way in Way for direction in Direction]


def tables(results: Results, contestants: list[Proxy | Absent], flows: tuple[int, ...]) -> Iterator[str]:
    """Yield one table for each number of flows, then one of dials and memory, and one of datagrams."""
    names = [each.name for each in contestants if isinstance(each, Proxy)]
    for count in flows:
        yield _of_flows(results, names, count)
    yield _of_dials(results, names)
    yield _of_datagrams(results, names)
    yield f"Disturbed: other processes or the hypervisor took more than {DISTURBING:g} % of the machine in that run."
    for each in contestants:
        if isinstance(each, Absent):
            yield f"Not measured: {each.name}: {each.reason}."


def _of_flows(results: Results, names: list[str], flows: int) -> str:
    ways = [f"{way.value} {direction.value}" for way, direction in WAYS]
    head = [counted(flows)]
    head += [f"{way}, Gb/s" for way in ways] + [f"{way}, CPU-s/GB" for way in ways] + ["RSS peak, MiB", "notes"]
    rows = []
    for name in names:
        each = results[name]
        cases = [Case(way, direction, flows) for way, direction in WAYS]
        rates = [number(each.gigabits(case)) for case in cases]
        costs = [number(each.cost(case)) for case in cases]
        rows.append([name, *rates, *costs, _mebibytes(each.peak_bytes(flows)), _notes(each, flows)])
    return table(head, rows)


def _notes(each: ProxyResults, flows: int) -> str:
    failures = []
    for way, direction in WAYS:
        if reason := each.failures.get(str(Case(way, direction, flows))):
            failures.append(f"{way.value} {direction.value}: {reason}")
    return "; ".join(filter(None, [each.disturbance(flows), each.missing_flows(flows), *failures]))


def _of_dials(results: Results, names: list[str]) -> str:
    head = ["dials and memory", "dials/s", "dial p50, ms", "dial p99, ms", "RSS idle, MiB", "notes"]
    rows = []
    for name in names:
        each = results[name]
        notes = "; ".join(filter(None, [each.failures.get("start"), each.failures.get("dials")]))
        figures = [number(each.dials_per_second, 0), number(each.dial_ms(0.5)), number(each.dial_ms(0.99))]
        rows.append([name, *figures, _mebibytes(middle(each.idle_bytes)), notes])
    return table(head, rows)


def _of_datagrams(results: Results, names: list[str]) -> str:
    head = [f"UDP in, {DATAGRAM_BYTES:,} bytes, {DATAGRAM_MEGABITS:g} Mb/s", "Mb/s received", "lost %"]
    head += ["CPU-s/GB", "foreign %", "notes"]
    rows = []
    for name in names:
        each = results[name]
        figures = [
            number(each.datagram(lambda run: run.megabits), 0),
            number(each.datagram(lambda run: run.lost_percent), 1),
            number(each.datagram(lambda run: run.cpu_seconds_per_gigabyte)),
            number(each.datagram(lambda run: run.usage.foreign_percent), 0),
        ]
        rows.append([name, *figures, each.failures.get("datagrams", "")])
    return table(head, rows)


def _mebibytes(size: float | None) -> str:
    return NOTHING if size is None else number(size / MEBIBYTE, 0)
