"""Split the input of a client into JSON objects (H-26, H-28, H-29).

1. An object may share its line with others, span several lines, and end with the input.
2. Blank lines are skipped.
3. Malformed input is reported once, at the end of the line that shows the problem. Parsing resumes at the next line.
4. If an object breaks after its first line, the rest of it is skipped: up to a line that starts with `{`, or past one
   that starts with `}` or is empty. A `{` at the start of a line where no value is allowed starts a new object.
5. An object or a line of more than `limit` bytes is reported, and the input after it is ignored (H-41).
6. The result does not depend on how the input is cut into pieces, and each byte is examined once.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from dataclasses import dataclass

from warren.errors import InputError, redacted_repr
from warren.localapi.json_scanner import BLANKS, Outcome, Scanner

MAX_OCTETS = 1 << 20  # a network of 5,000 peers needs half of it
MAX_NAME_CHARACTERS = 32  # of a name in an error: every valid name is shorter

Members = dict[str, object]


@dataclass(frozen=True, slots=True)
class Malformed:
    """Describe input that is no JSON object."""

    problem: str
    is_last: bool = False
    """True if the input after it is ignored."""


class _Stage(enum.Enum):
    BETWEEN = enum.auto()
    IN_OBJECT = enum.auto()
    IN_BAD_LINE = enum.auto()
    SKIPPING = enum.auto()
    CLOSED = enum.auto()


class JsonFramer:
    """Split the input of one client."""

    def __init__(self, limit: int = MAX_OCTETS) -> None:
        self._limit = limit
        self._octets = bytearray()
        """The input from the start of the current object or line on."""
        self._start = 0
        self._at = 0
        self._stage = _Stage.BETWEEN
        self._scanner = Scanner()
        self._problem = ""
        self._broke_after_first_line = False
        self._frames: list[Members | Malformed] = []

    def feed(self, octets: bytes) -> list[Members | Malformed]:
        """Return the frames that these bytes complete, in their order."""
        self._octets += octets
        while self._advance():
            pass
        del self._octets[: self._start]
        self._at -= self._start
        self._start = 0
        return self._take_frames()

    def end(self) -> list[Members | Malformed]:
        """Return the frames that the end of the input completes."""
        if self._stage is _Stage.IN_OBJECT:
            self._frames.append(Malformed("the input ended inside an object; expected the closing }"))
        elif self._stage is _Stage.IN_BAD_LINE:
            self._frames.append(Malformed(self._problem))
        self._stage = _Stage.CLOSED
        return self._take_frames()

    def _take_frames(self) -> list[Members | Malformed]:
        frames, self._frames = self._frames, []
        return frames

    def _advance(self) -> bool:
        """Take one step; return False if the next one needs more input."""
        match self._stage:
            case _Stage.BETWEEN:
                return self._skip_blanks()
            case _Stage.IN_OBJECT:
                return self._scan() or self._exceeds_limit()
            case _Stage.IN_BAD_LINE:
                return self._skip_bad_line() or self._exceeds_limit()
            case _Stage.SKIPPING:
                return self._skip_rest() or self._exceeds_limit()
            case _Stage.CLOSED:
                self._start = self._at = len(self._octets)
                return False

    def _skip_blanks(self) -> bool:
        blanks = BLANKS.match(self._octets, self._at)
        self._start = self._at = blanks.end() if blanks else self._at
        if self._at == len(self._octets):
            return False
        self._scanner = Scanner()
        self._stage = _Stage.IN_OBJECT
        return True

    def _scan(self) -> bool:
        self._at = self._scanner.advance(self._octets, self._at, self._window_end())
        match self._scanner.outcome:
            case Outcome.OPEN:
                return False
            case Outcome.DONE:
                self._frames.append(_decode(self._octets[self._start : self._at]))
                self._start, self._stage = self._at, _Stage.BETWEEN
            case Outcome.BROKEN:
                self._break()
        return True

    def _break(self) -> None:
        before = self._octets[self._start : self._at]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        self._problem = f"line {line}, byte {column}: expected {self._scanner.expected}"
        self._broke_after_first_line = line > 1
        self._stage = _Stage.IN_BAD_LINE
        if line > 1 and column == 1 and self._octets[self._at] == ord("{"):
            self._frames.append(Malformed(self._problem))
            self._start, self._stage = self._at, _Stage.BETWEEN

    def _skip_bad_line(self) -> bool:
        if not self._reaches_line_end():
            return False
        self._frames.append(Malformed(self._problem))
        self._stage = _Stage.SKIPPING if self._broke_after_first_line else _Stage.BETWEEN
        self._start = self._at
        return True

    def _skip_rest(self) -> bool:
        head = bytes(self._octets[self._start : self._start + 1])
        if head == b"{":
            self._stage = _Stage.BETWEEN
            return True
        if not self._reaches_line_end():
            return False
        if head in {b"}", b"\r", b"\n"}:
            self._stage = _Stage.BETWEEN
        self._start = self._at
        return True

    def _reaches_line_end(self) -> bool:
        newline = self._octets.find(b"\n", self._at, self._window_end())
        self._at = self._window_end() if newline < 0 else newline + 1
        return newline >= 0

    def _window_end(self) -> int:
        return min(len(self._octets), self._start + self._limit)

    def _exceeds_limit(self) -> bool:
        if len(self._octets) <= self._start + self._limit:
            return False
        self._frames.append(Malformed(f"the object or line is longer than {self._limit} bytes", is_last=True))
        self._stage = _Stage.CLOSED
        return True


def _decode(text: bytearray) -> Members | Malformed:
    try:
        members: Members = json.loads(text.decode(), object_pairs_hook=_unique)
    except UnicodeDecodeError:
        return Malformed("invalid UTF-8")
    except json.JSONDecodeError as error:
        return Malformed(f"{error.msg}; expected an escape of RFC 8259 section 7")
    except InputError as error:
        return Malformed(str(error))
    return members


def _unique(pairs: Sequence[tuple[str, object]]) -> Members:
    """Build an object. Raises InputError for a duplicate name.

    RFC 8259 section 4 leaves open which of two values counts; two programs that choose differently disagree.
    """
    members: Members = {}
    for name, value in pairs:
        if name in members:
            raise InputError(f"{redacted_repr(name, MAX_NAME_CHARACTERS)}: duplicate name", code="request.malformed")
        members[name] = value
    return members
