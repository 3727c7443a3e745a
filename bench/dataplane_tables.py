"""The tables of `make bench-dataplane`."""

from __future__ import annotations

from collections.abc import Iterator

from contention import DISTURBING
from engines import Absent, Engine
from figures import Results
from markdown import NOTHING, number, table
from throughput import MODES, Mode

MEBIBYTE = 1 << 20


def tables(results: Results, engines: list[Engine | Absent]) -> Iterator[str]:
    """One for each mode, then latency and memory; whoever is absent stands in each with the reason."""
    for mode in MODES:
        yield _of_mode(results, engines, mode)
    yield _of_latency(results, engines)
    yield f"Disturbed: other processes or the hypervisor took more than {DISTURBING:g} % of the machine in that round."


def _of_mode(results: Results, engines: list[Engine | Absent], mode: Mode) -> str:
    lost = "retransmits" if mode.is_tcp else "lost %"
    head = [mode.name, "Gb/s received", "least-most", "Warren is", lost, "idle %", "foreign %", "CPU-s/GB", "notes"]
    ours = results.of("Warren", mode)
    rows = []
    for engine in engines:
        figures = results.of(engine.name, mode)
        if isinstance(engine, Engine) and not figures and not results.failure(engine.name, mode):
            continue  # a variant, which is not measured in this mode
        if not figures:
            rows.append([engine.name, *[NOTHING] * (len(head) - 2), _why_nothing(results, engine, mode)])
            continue
        notes = [figures.disturbance]
        if failure := results.failure(engine.name, mode):
            notes.append(f"{figures.rounds} rounds only: {failure}")
        rows.append(
            [
                engine.name,
                number(figures.gigabits),
                f"{figures.least:.2f}-{figures.most:.2f}",
                f"{ours.gigabits / figures.gigabits:.2f} x" if ours and figures.gigabits else NOTHING,
                number(figures.lost, 0 if mode.is_tcp else 1),
                number(figures.idle_percent, 0),
                number(figures.foreign_percent, 0),
                number(figures.cpu_seconds_per_gigabyte),
                "; ".join(filter(None, notes)),
            ]
        )
    return table(head, rows)


def _why_nothing(results: Results, engine: Engine | Absent, mode: Mode) -> str:
    return engine.reason if isinstance(engine, Absent) else f"failed: {results.failure(engine.name, mode)}"


def _of_latency(results: Results, engines: list[Engine | Absent]) -> str:
    named = ["idle p50", "idle p99", "loaded p50", "loaded p99"]
    head = ["echo, ms", *named, "lost, loaded", "RSS idle, MiB", "RSS after, MiB", "notes"]
    rows = []
    for engine in engines:
        latency, resident = results.latency(engine.name), results.resident(engine.name)
        if isinstance(engine, Absent):
            rows.append([engine.name, *[NOTHING] * (len(head) - 2), engine.reason])
            continue
        memory = [number(None if octets is None else octets / MEBIBYTE, 1) for octets in resident]
        rows.append(
            [engine.name, *(number(latency[name], 3) for name in named), number(latency["lost"], 0), *memory, ""]
        )
    return table(head, rows)
