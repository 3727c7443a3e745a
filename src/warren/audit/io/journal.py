"""The log on the disk: lines appended, signed now and then, turned over by size and deleted by age (G-49, G-51).

Whoever appends keeps the lines elsewhere until `sync` has returned, and after a start gives them to `complete`: so a
line that a crash has torn, or a power cut lost, is whole again. Used by one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from warren.audit.chain import EMPTY, Head, parse_link
from warren.audit.checkpoint import NO_PREVIOUS, Checkpoint, parse_unverified, sign_checkpoint, token_hash
from warren.audit.io.segments import Segment, append, cut_torn, first_line, last_line, rotated, segments, tail
from warren.files.append_file import sync_file, truncate_file
from warren.files.atomic import move_file, remove_file
from warren.files.directory import make_directory, sync_directory
from warren.jws import SigningKey

DIRECTORY_MODE = 0o750
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Retention:
    """How much of the log is kept."""

    max_bytes: int = 100 << 20
    """A segment that has reached it is written no more."""
    seconds: int = 30 * DAY_SECONDS
    """A segment goes when its last line is older."""


class Journal:
    """In `directory`, which is made when it is needed. Without a key there are no checkpoints."""

    def __init__(
        self, directory: Path, agent_id: str, key: SigningKey | None, keeping: Retention | None = None
    ) -> None:
        self._directory = directory
        self._agent_id = agent_id
        self._key = key
        self._keeping = keeping or Retention()
        self._current = Segment(directory)
        self._token = ""
        """The last checkpoint's."""
        self.size = 0
        """Octets of the segment that is written."""

    def open(self) -> None:
        """Finds what is there, and finishes a turning over that was cut short. Raises OSError."""
        make_directory(self._directory, DIRECTORY_MODE)
        self._finish_turning()
        self.size = self._current.log.stat().st_size if self._current.log.exists() else 0

    @property
    def last(self) -> Head:
        """The log up to its last whole line, by what that line says."""
        for segment in reversed(segments(self._directory)):
            line = last_line(segment.log)
            try:
                return parse_link(line).after
            except ValueError:  # empty, or not ours: what follows will not fit, and `warren audit verify` says where
                continue
        return EMPTY

    def append(self, lines: Sequence[bytes]) -> None:
        """All of them or none; on the disk after the next `sync`. Raises OSError."""
        self.size = append(self._current.log, b"".join(line + b"\n" for line in lines))

    def complete(self, base: int | None, lines: Sequence[bytes]) -> None:
        """After a start: these are the lines behind the first `base` octets, and they are on the disk when it returns.

        A file that is shorter was cut by others: then they follow what is left of it. None is nobody knows: then only
        a torn line is taken away. Raises OSError.
        """
        path, wanted = self._current.log, b"".join(line + b"\n" for line in lines)
        if base is None or base > self.size:
            base = cut_torn(path)
        there = tail(path, base) if path.exists() else b""
        if there != wanted:
            same = _length_of_same(there, wanted)
            if path.exists():
                truncate_file(path, base + same)
            self.size = append(path, wanted[same:])
        self.sync()

    def sync(self) -> None:
        """What was appended is on the disk when this returns. Raises OSError."""
        if self._current.log.exists():
            sync_file(self._current.log)
            sync_directory(self._directory)

    def seal(self, head: Head, now: float) -> None:
        """A checkpoint for the log up to `head`, which is on the disk. On the disk when it returns. Raises OSError."""
        if self._key is not None:
            prev = token_hash(self._token) if self._token else NO_PREVIOUS
            token = sign_checkpoint(Checkpoint(self._agent_id, head, int(now), prev), self._key)
            append(self._current.checkpoints, token.encode("ascii") + b"\n")
            sync_file(self._current.checkpoints)
            sync_directory(self._directory)
            self._token = token

    @property
    def sealed_n(self) -> int:
        """The last line of the last checkpoint; 0 where there is none."""
        try:
            return parse_unverified(self._token).head.n
        except ValueError:
            return 0

    @property
    def is_full(self) -> bool:
        """Whether it is time to turn over."""
        return self.size >= self._keeping.max_bytes

    def turn_over(self) -> None:
        """The next line begins a new segment. The log must be on the disk, and sealed. Raises OSError."""
        full = rotated(self._directory, self._first)
        if self._current.checkpoints.exists():
            move_file(self._current.checkpoints, full.checkpoints.name)
        move_file(self._current.log, full.log.name)
        self._finish_turning()
        self.size = 0

    def delete_old(self, now: float) -> None:
        """Segments beyond their days, which are proven by the checkpoints of those that stay. Raises OSError."""
        for segment in segments(self._directory):
            if segment != self._current and segment.log.stat().st_mtime + self._keeping.seconds < now:
                remove_file(segment.log)
                remove_file(segment.checkpoints)

    @property
    def _first(self) -> int:
        """The number of the first line that is in the segment."""
        try:
            return parse_link(first_line(self._current.log)).after.n
        except ValueError:  # it is not ours: then after all that are
            return self.last.n + 1

    def _finish_turning(self) -> None:
        if self._current.log.exists():
            full = rotated(self._directory, self._first)
            if full.checkpoints.exists() and not full.log.exists():
                move_file(self._current.log, full.log.name)
        cut_torn(self._current.checkpoints)
        self._token = last_line(self._current.checkpoints).decode("ascii", "replace")
        rest = [segment for segment in segments(self._directory) if segment != self._current]
        if not self._token and rest:
            self._begin_with(last_line(rest[-1].checkpoints))
        sync_directory(self._directory)

    def _begin_with(self, token: bytes) -> None:
        if token:
            append(self._current.checkpoints, token + b"\n")
            sync_file(self._current.checkpoints)
            self._token = token.decode("ascii", "replace")


def _length_of_same(one: bytes, other: bytes) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))
