"""Verification of a log: find each line that was edited, removed, inserted or reordered (G-49).

Each line contains its number and the head of the chain before it. A line that was edited, removed, inserted or
reordered therefore contradicts its neighbours. A log that was rewritten from some line on, with a consistent chain,
contradicts the next checkpoint, which only the node's key can sign. A holder of that key can rewrite the log, and
anybody can truncate it after its last checkpoint. Both contradict an anchor: a checkpoint that is kept off the host.

An agent signs a checkpoint at the latest `INTERVAL_SECONDS` after an entry, and after `INTERVAL_LINES` of them. Older
or more entries without one are unproven: whoever removed the checkpoints could have written them. So is everything
where no key verifies a signature.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from warren.audit.chain import EMPTY, Head, Link, parse_link
from warren.audit.checkpoint import (
    INTERVAL_LINES,
    INTERVAL_SECONDS,
    Checkpoint,
    parse_unverified,
    token_hash,
    verify_checkpoint,
)
from warren.jws import VerifyingKey

GRACE_SECONDS = 5  # timestamps are whole seconds, and a checkpoint waits for the disk

Keys = Mapping[str, VerifyingKey] | None
"""The node's public key by its `kid`. None: signatures are not verified."""


@dataclass(frozen=True, slots=True)
class Location:
    """A line of a file, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One contradiction in a log."""

    location: Location
    n: int
    """The number of the entry concerned."""
    problem: str

    def __str__(self) -> str:
        return f"{self.location}: entry {self.n}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A checkpoint and its location."""

    location: Location
    checkpoint: Checkpoint

    @property
    def head(self) -> Head:
        """Return the head that the checkpoint signs."""
        return self.checkpoint.head


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a verification."""

    first: int
    """The number of the first entry; 0 for an empty log."""
    head: Head
    """The head after the last entry."""
    covered: int
    """The last entry that a checkpoint covers. Changes of the last entry behind it leave no trace in the log."""
    findings: tuple[Finding, ...]
    """The contradictions in the log."""
    unproven: tuple[Finding, ...] = ()
    """Entries that a checkpoint would cover if the agent had written them."""


def read_checkpoint(token: str, keys: Keys) -> Checkpoint:
    """Return the checkpoint in a token, verified if there are keys.

    Raises:
        ValueError: the token is not a checkpoint, or none of the keys signed it.
    """
    return parse_unverified(token) if keys is None else verify_checkpoint(token, keys)


def read_checkpoints(tokens: Iterable[tuple[Location, str]], keys: Keys) -> tuple[list[Anchor], list[Finding]]:
    """Return the checkpoints of a log in their order, and what contradicts them."""
    anchors: list[Anchor] = []
    findings: list[Finding] = []
    previous = cluster = ""
    for location, token in tokens:
        if token == previous:  # a segment starts with the last checkpoint of the previous one
            continue
        n = anchors[-1].head.n if anchors else 0
        try:
            checkpoint = read_checkpoint(token, keys)
        except ValueError as error:
            findings.append(Finding(location, n, f"invalid checkpoint after this entry: {error}"))
            continue
        if previous and checkpoint.prev != token_hash(previous):
            problem = "the checkpoint before the one of this entry is missing or was reordered"
            findings.append(Finding(location, checkpoint.head.n, problem))
        cluster = cluster or checkpoint.cluster  # of the first one: a node without a trust bundle signs none
        if checkpoint.cluster not in ("", cluster):
            problem = f"the checkpoint of this entry is of cluster {checkpoint.cluster}, those before it of {cluster}"
            findings.append(Finding(location, checkpoint.head.n, problem))
        anchors.append(Anchor(location, checkpoint))
        previous = token
    return anchors, findings


def verify_log(lines: Iterable[tuple[Location, bytes]], anchors: Sequence[Anchor], now: float | None = None) -> Verdict:
    """Verify a whole log, the oldest line first. `now` is in seconds since the Unix epoch, or None if it is unknown."""
    verifier = LogVerifier(anchors)
    for location, line in lines:
        verifier.add_line(location, line)
    return verifier.finish(now)


@dataclass(slots=True)
class _Uncovered:
    """The entries since the last checkpoint."""

    count: int = 0
    start: Location = Location("the log", 0)
    agents: set[str] = field(default_factory=set)
    times: tuple[int, ...] = ()
    """The lowest and the highest timestamp."""
    is_timed: bool = True
    """True if each entry has a timestamp."""

    def add(self, location: Location, link: Link) -> None:
        """Add the next entry."""
        if not self.count:
            self.start = location
        self.count += 1
        self.agents.add(link.agent_id or "")
        if link.timestamp is None:
            self.is_timed = False
        else:
            times = (*self.times, link.timestamp)
            self.times = (min(times), max(times))

    def unproven(self, last: int, now: float | None) -> Iterator[Finding]:
        """Yield the finding for entries that are more or older than one interval of checkpoints."""
        if self.count and (reason := self._problem(now)):
            n = last - self.count + 1
            entries = f"entries {n} to {last}" if self.count > 1 else "this entry"
            yield Finding(self.start, n, f"no checkpoint covers {entries}: {reason}")

    def _problem(self, now: float | None) -> str | None:
        limit = INTERVAL_SECONDS + GRACE_SECONDS
        if self.count > INTERVAL_LINES:
            return f"the agent signs one after {INTERVAL_LINES} entries"
        if not self.is_timed:
            return "an entry has no timestamp"
        times = (*self.times, *(() if now is None else (now,)))
        if max(times) - min(times) > limit:
            return f"the agent signs one {INTERVAL_SECONDS} s after an entry at the latest"
        return None


@dataclass(slots=True)
class LogVerifier:
    """Verifies a log line by line."""

    anchors: Sequence[Anchor]
    head: Head = EMPTY
    """The head after the last line that could be parsed."""
    first: int = 0
    covered: int = 0
    location: Location = Location("the log", 0)
    previous_location: Location = Location("the log", 0)
    unparsed: int = 0
    """The number of lines since `head` that could not be parsed."""
    findings: list[Finding] = field(default_factory=list)
    uncovered: _Uncovered = field(default_factory=_Uncovered)
    anchors_by_n: dict[int, list[Anchor]] = field(init=False)

    def __post_init__(self) -> None:
        self.anchors_by_n = {}
        for anchor in self.anchors:
            self.anchors_by_n.setdefault(anchor.head.n, []).append(anchor)

    def add_line(self, location: Location, line: bytes) -> None:
        """Verify the next line."""
        self.previous_location, self.location = self.location, location
        try:
            link = parse_link(line)
        except ValueError as error:
            self.unparsed += 1
            self._add_finding(self.head.n + self.unparsed, f"edited or inserted: {error}")
            return
        if not self.first:
            self._check_start(link.before)
        elif link.before != self.head:
            self._report_break(link.before)
        self.head, self.unparsed = link.after, 0
        self.uncovered.add(location, link)
        self._check_anchors()

    def finish(self, now: float | None) -> Verdict:
        """Check that the log reaches the last anchor and is covered, and return the verdict."""
        last = max(self.anchors, key=lambda anchor: anchor.head.n, default=None)
        if last and last.head.n > self.head.n:
            problem = f"the log ends here, but {last.location} signs entry {last.head.n}: it was truncated"
            self._add_finding(self.head.n, problem)
        return Verdict(
            self.first, self.head, self.covered, tuple(self.findings), tuple(self.uncovered.unproven(self.head.n, now))
        )

    def _check_start(self, before: Head) -> None:
        self.first = before.n + 1
        # A segment's checkpoints start with the last one of the previous segment.
        if self.unparsed == 0 and before not in (EMPTY, *(anchor.head for anchor in self.anchors[:1])):
            self._add_finding(self.first, "all entries before it are missing, and no checkpoint covers them")

    def _report_break(self, before: Head) -> None:
        n, expected = before.n + 1, self.head.n + self.unparsed + 1
        if n > expected:
            missing = f"entry {expected} is" if n == expected + 1 else f"entries {expected} to {n - 1} are"
            self._add_finding(n, f"{missing} missing before it")
        elif n < expected - self.unparsed or (n < expected and before.digest != self.head.digest):
            self._add_finding(n, f"it follows entry {expected - 1}: inserted or reordered")
        elif not self.unparsed:
            self.findings.append(Finding(self.previous_location, self.head.n, "this entry or the next one was edited"))

    def _check_anchors(self) -> None:
        for anchor in self.anchors_by_n.get(self.head.n, []):
            if anchor.head == self.head:
                self._check_agents(anchor)
                self.covered = max(self.covered, self.head.n)
                self.uncovered = _Uncovered()
            else:
                entries = f"entries {self.covered + 1} to {self.head.n}"
                self._add_finding(self.head.n, f"{entries} differ from those that {anchor.location} signs")

    def _check_agents(self, anchor: Anchor) -> None:
        """Check that the entries since the last checkpoint are those of the node that signs this one."""
        if others := sorted(self.uncovered.agents - {anchor.checkpoint.agent_id}):
            problem = (
                f"{anchor.location} is signed for agent {anchor.checkpoint.agent_id!r}, "
                f"but entries that it covers are of {', '.join(map(repr, others))}"
            )
            self._add_finding(self.head.n, problem)

    def _add_finding(self, n: int, problem: str) -> None:
        self.findings.append(Finding(self.location, n, problem))
