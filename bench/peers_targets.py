"""The targets of many peers, one verdict per line with its figures."""

from __future__ import annotations

from collections.abc import Iterator

from activity import BATCHES, MANY, Shape
from loading import PEERS
from markdown import number
from rounds import Rounds
from verdict import Verdict, at_most

LOAD_SECONDS = 1.0
KNOWN_KIBIBYTES, CONNECTED_KIBIBYTES = 2.0, 6.0
KEPT_PERCENT = 30.0


def verdicts(ours: Rounds) -> Iterator[Verdict]:
    """Yield a verdict for every target of many peers."""
    what = f"{PEERS:,} peers load in {LOAD_SECONDS:g} s"
    yield at_most(f"{what}, one set", ours.loading(lambda each: each.set_seconds), LOAD_SECONDS, "s")
    yield at_most(f"{what}, wg setconf", ours.loading(lambda each: each.setconf_seconds), LOAD_SECONDS, "s")
    what = f"at most {KNOWN_KIBIBYTES:g} KiB a peer that never connected"
    yield at_most(what, ours.kibibytes, KNOWN_KIBIBYTES, "KiB")
    what = f"at most {CONNECTED_KIBIBYTES:g} KiB a peer with two sessions"
    yield at_most(what, ours.kibibytes_with_two_sessions, CONNECTED_KIBIBYTES, "KiB")
    for batch in BATCHES:
        yield _kept(ours, batch)


def _kept(ours: Rounds, batch: int) -> Verdict:
    what = f"{MANY:,} active peers keep {KEPT_PERCENT:g} % of one peer's throughput, {batch} packets at a time"
    one, many = ours.rate(Shape(1, batch)), ours.rate(Shape(MANY, batch))
    kept = ours.kept_percent(batch)
    limited = ", all that was offered" if ours.is_limited_by_load(batch) else ""
    figures = f"{number(many)} of {number(one)} Gb/s{limited}: {number(kept, 0)} %"
    return Verdict(what, None if kept is None else kept >= KEPT_PERCENT, figures)
