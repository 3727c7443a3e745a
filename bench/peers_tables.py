"""The tables of `make bench-peers`."""

from __future__ import annotations

from collections.abc import Iterator

from activity import BATCHES, MANY, Shape
from contention import disturbance
from engines import Absent, Engine
from figures import middle
from loading import PEERS, STEP
from markdown import NOTHING, number, table
from rounds import Rounds

COST = (
    f"{PEERS:,} peers",
    "one set, s",
    "wg setconf, s",
    "KiB a peer",
    "in steps",
    "two sessions",
    "foreign %",
    "notes",
)
RATES = ("received, Gb/s", "at a time", "1 peer", f"{MANY:,} peers", "kept %", "offered, Gb/s")
WORTH = ("CPU-s/GB, 1 peer", f"CPU-s/GB, {MANY:,}", "idle %", "foreign %", "notes")


def tables(results: dict[str, Rounds], engines: list[Engine | Absent]) -> Iterator[str]:
    """Time and memory, then throughput; whoever is absent stands there with the reason."""
    yield table(COST, [_cost(engine, results) for engine in engines])
    yield (
        f"KiB a peer: resident, after one set. In steps: in messages of {STEP} peers. "
        f"Two sessions: of {MANY:,} real peers, twice connected."
    )
    yield table([*RATES, *WORTH], [_rates(engine, batch, results) for batch in BATCHES for engine in engines])
    yield (
        "Received: payload that the engine wrote to its TUN. All packets have one size; warren-loadgen sends them as "
        "fast as a core can. Where all that was offered was taken, the cost in CPU says more than the rate."
    )


def _cost(engine: Engine | Absent, results: dict[str, Rounds]) -> list[str]:
    if isinstance(engine, Absent):
        return [engine.name, *[NOTHING] * (len(COST) - 2), engine.reason]
    rounds = results[engine.name]
    return [
        engine.name,
        number(rounds.loading(lambda each: each.set_seconds), 3),
        number(rounds.loading(lambda each: each.setconf_seconds), 3),
        number(rounds.kibibytes),
        number(rounds.kibibytes_in_steps),
        number(rounds.kibibytes_with_two_sessions),
        number(middle(rounds.foreign_percents), 0),
        "; ".join(filter(None, [disturbance(rounds.foreign_percents), *rounds.failures[-1:]])),
    ]


def _rates(engine: Engine | Absent, batch: int, results: dict[str, Rounds]) -> list[str]:
    if isinstance(engine, Absent):
        return [engine.name, str(batch), *[NOTHING] * (len(RATES) + len(WORTH) - 3), engine.reason]
    rounds, one, many = results[engine.name], Shape(1, batch), Shape(MANY, batch)
    runs = [run for shape in (one, many) for run in rounds.activities.get(shape, [])]
    foreign = [run.usage.foreign_percent for run in runs]
    limited = "took all that was offered" if rounds.is_limited_by_load(batch) else ""
    return [
        engine.name,
        str(batch),
        number(rounds.rate(one)),
        number(rounds.rate(many)),
        number(rounds.kept_percent(batch), 0),
        number(rounds.activity(many, lambda each: each.offered_gigabits)),
        number(rounds.activity(one, lambda each: each.cpu_seconds_per_gigabyte)),
        number(rounds.activity(many, lambda each: each.cpu_seconds_per_gigabyte)),
        number(middle(run.usage.idle_percent for run in runs), 0),
        number(middle(foreign), 0),
        "; ".join(filter(None, [disturbance(foreign), limited])),
    ]
