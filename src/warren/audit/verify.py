"""Whether a log is as it was written, and if not, where it is not (G-49).

Each line says its place: its number, and the head of all before it. So a line that was edited, removed, put in or moved
does not fit to its neighbours. Whoever writes all lines anew from one on, so that they fit again, meets the next
checkpoint, which takes the node's key to sign. Who has that too, or cuts the log behind its last checkpoint, meets an
anchor: a checkpoint that is held elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from warren.audit.chain import EMPTY, Head, parse_link
from warren.audit.checkpoint import Checkpoint, read_checkpoint, token_hash, verify_checkpoint
from warren.jws import VerifyingKey


@dataclass(frozen=True, slots=True)
class Location:
    """A line of a file, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """Where something is not as it was written."""

    place: Location
    n: int
    """The number in the log of the line that this is about."""
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: entry {self.n}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A checkpoint, and where it stands."""

    place: Location
    checkpoint: Checkpoint

    @property
    def head(self) -> Head:
        """What it signs."""
        return self.checkpoint.head


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found."""

    first: int
    """The number of the first line; 0 of an empty log."""
    head: Head
    """The log up to its last line."""
    sealed: int
    """The last line that a checkpoint covers. The last line behind it could have been edited without a trace here."""
    faults: tuple[Finding, ...]


def read_anchors(
    tokens: Iterable[tuple[Location, str]], keys: Mapping[str, VerifyingKey] | None
) -> tuple[list[Anchor], list[Finding]]:
    """The checkpoints of a log in their order. Without keys they are taken at their word."""
    anchors: list[Anchor] = []
    faults: list[Finding] = []
    before = ""
    for place, token in tokens:
        if token == before:  # a segment begins with the last one of the segment before it
            continue
        last = anchors[-1].head.n if anchors else 0
        try:
            found = verify_checkpoint(token, keys) if keys is not None else read_checkpoint(token)
        except ValueError as error:
            faults.append(Finding(place, last, f"the checkpoint behind this entry {error}"))
            continue
        if before and found.prev != token_hash(before):
            faults.append(Finding(place, found.head.n, "a checkpoint before this entry's is missing, or was moved"))
        anchors.append(Anchor(place, found))
        before = token
    return anchors, faults


def verify_log(lines: Iterable[tuple[Location, bytes]], anchors: Sequence[Anchor]) -> Verdict:
    """Goes through all of it, the oldest line first."""
    walk = LogVerifier(anchors)
    for place, line in lines:
        walk.step(place, line)
    return walk.end()


@dataclass(slots=True)
class LogVerifier:
    """Line by line through a log."""

    anchors: Sequence[Anchor]
    head: Head = EMPTY
    """The log up to the last line that could be read."""
    first: int = 0
    sealed: int = 0
    place: Location = Location("the log", 0)
    before: Location = Location("the log", 0)
    unread: int = 0
    """Lines since `head` that could not be read."""
    faults: list[Finding] = field(default_factory=list)
    by_n: dict[int, list[Anchor]] = field(init=False)

    def __post_init__(self) -> None:
        self.by_n = {}
        for anchor in self.anchors:
            self.by_n.setdefault(anchor.head.n, []).append(anchor)

    def step(self, place: Location, line: bytes) -> None:
        """One line more."""
        self.before, self.place = self.place, place
        try:
            link = parse_link(line)
        except ValueError as error:
            self.unread += 1
            self._fault(self.head.n + self.unread, f"was edited or put in: it {error}")
            return
        if not self.first:
            self._begin(link.before)
        elif link.before != self.head:
            self._misfit(link.before)
        self.head, self.unread = link.after, 0
        self._meet()

    def end(self) -> Verdict:
        """The whole of it."""
        beyond = max((anchor for anchor in self.anchors), key=lambda anchor: anchor.head.n, default=None)
        if beyond and beyond.head.n > self.head.n:
            problem = f"the log ends here, but {beyond.place} signs it up to entry {beyond.head.n}: it was cut"
            self._fault(self.head.n, problem)
        return Verdict(self.first, self.head, self.sealed, tuple(self.faults))

    def _begin(self, before: Head) -> None:
        self.first = before.n + 1
        # A segment's checkpoints begin with the last one of the segment before it.
        if self.unread == 0 and before not in (EMPTY, *(anchor.head for anchor in self.anchors[:1])):
            self._fault(self.first, "all before it is missing, and no checkpoint ends there")

    def _misfit(self, before: Head) -> None:
        n, expected = before.n + 1, self.head.n + self.unread + 1
        if n > expected:
            gone = f"entry {expected} is" if n == expected + 1 else f"entries {expected} to {n - 1} are"
            self._fault(n, f"{gone} missing before it")
        elif n < expected - self.unread or (n < expected and before.digest != self.head.digest):
            self._fault(n, f"stands behind entry {expected - 1}: it was put in, or moved")
        elif not self.unread:
            self.faults.append(Finding(self.before, self.head.n, "this one or the one behind it was edited"))

    def _meet(self) -> None:
        for anchor in self.by_n.get(self.head.n, []):
            if anchor.head == self.head:
                self.sealed = max(self.sealed, self.head.n)
            else:
                since = f"entries {self.sealed + 1} to {self.head.n}"
                self._fault(self.head.n, f"{anchor.place} signs another log up to here: {since} are not those it saw")

    def _fault(self, n: int, problem: str) -> None:
        self.faults.append(Finding(self.place, n, problem))
