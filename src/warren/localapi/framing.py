"""Cuts what a client sends into JSON objects (H-26, H-28, H-29).

1. An object may stand on one line, with others on it, or over several, and may end with the input.
2. Blank lines are passed over.
3. What is no object is told once, at the end of the line that shows it, and the next line is looked at afresh. Where an
   object breaks behind its first line, the rest of it is passed over: up to a line that begins with `{`, or behind one
   that begins with `}` or is empty. A `{` at the head of a line where no value can stand begins a new object.
4. An object or a line of more than `limit` octets is told, and nothing behind it is looked at (H-41).

How the octets are cut on their way changes nothing, and each is looked at once.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from dataclasses import dataclass

from warren.errors import InputError
from warren.localapi.json_scanner import BLANKS, Outcome, Scanner

MAX_OCTETS = 1 << 20  # a network of 5,000 peers needs half of it
NAME_SHOWN = 32  # characters: every name that means something here is shorter

Members = dict[str, object]


@dataclass(frozen=True, slots=True)
class Malformed:
    """What was no object, in a sentence."""

    problem: str
    is_last: bool = False
    """Whether nothing behind it is looked at."""


class _Stage(enum.Enum):
    BETWEEN = enum.auto()
    IN_OBJECT = enum.auto()
    IN_BAD_LINE = enum.auto()
    IN_LOST_LINE = enum.auto()
    REFUSED = enum.auto()


class JsonFramer:
    """The input of one client."""

    def __init__(self, limit: int = MAX_OCTETS) -> None:
        self._limit = limit
        self._octets = bytearray()
        """From the start of the object or line that is being looked at."""
        self._start = 0
        self._at = 0
        self._stage = _Stage.BETWEEN
        self._scanner = Scanner()
        self._problem = ""
        self._broke_behind_first_line = False
        self._found: list[Members | Malformed] = []

    def feed(self, octets: bytes) -> list[Members | Malformed]:
        """Takes what came; returns what is complete with it, in its order."""
        self._octets += octets
        while self._goes_on():
            pass
        del self._octets[: self._start]
        self._at -= self._start
        self._start = 0
        return self._take_found()

    def end(self) -> list[Members | Malformed]:
        """The input has ended; returns what that completes."""
        if self._stage is _Stage.IN_OBJECT:
            self._found.append(Malformed("the input ended within an object; expected all of it, to its last }"))
        elif self._stage is _Stage.IN_BAD_LINE:
            self._found.append(Malformed(self._problem))
        self._stage = _Stage.REFUSED
        return self._take_found()

    def _take_found(self) -> list[Members | Malformed]:
        found, self._found = self._found, []
        return found

    def _goes_on(self) -> bool:
        """One step; False where the next needs more octets."""
        match self._stage:
            case _Stage.BETWEEN:
                return self._pass_blanks()
            case _Stage.IN_OBJECT:
                return self._scan() or self._exceeds()
            case _Stage.IN_BAD_LINE:
                return self._pass_bad_line() or self._exceeds()
            case _Stage.IN_LOST_LINE:
                return self._pass_lost_line() or self._exceeds()
            case _Stage.REFUSED:
                self._start = self._at = len(self._octets)
                return False

    def _pass_blanks(self) -> bool:
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
                self._found.append(_decode(self._octets[self._start : self._at]))
                self._start, self._stage = self._at, _Stage.BETWEEN
            case Outcome.BROKEN:
                self._break_off()
        return True

    def _break_off(self) -> None:
        before = self._octets[self._start : self._at]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        self._problem = f"line {line}, octet {column}: expected {self._scanner.expected}"
        self._broke_behind_first_line = line > 1
        self._stage = _Stage.IN_BAD_LINE
        if line > 1 and column == 1 and self._octets[self._at] == ord("{"):
            self._found.append(Malformed(self._problem))
            self._start, self._stage = self._at, _Stage.BETWEEN

    def _pass_bad_line(self) -> bool:
        if not self._reaches_line_end():
            return False
        self._found.append(Malformed(self._problem))
        self._stage = _Stage.IN_LOST_LINE if self._broke_behind_first_line else _Stage.BETWEEN
        self._start = self._at
        return True

    def _pass_lost_line(self) -> bool:
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

    def _exceeds(self) -> bool:
        if len(self._octets) <= self._start + self._limit:
            return False
        self._found.append(Malformed(f"it has more than {self._limit} octets; expected less", is_last=True))
        self._stage = _Stage.REFUSED
        return True


def _decode(text: bytearray) -> Members | Malformed:
    try:
        members: Members = json.loads(text.decode(), object_pairs_hook=_unique)
    except UnicodeDecodeError:
        return Malformed("it is not UTF-8; expected text")
    except json.JSONDecodeError as error:
        return Malformed(f"{error.msg}; expected an escape of RFC 8259, section 7")
    except InputError as error:
        return Malformed(str(error))
    return members


def _unique(pairs: Sequence[tuple[str, object]]) -> Members:
    """RFC 8259, section 4, leaves open which of two counts: two programs that choose differently can be set apart."""
    members: Members = {}
    for name, value in pairs:
        if name in members:
            raise InputError(f"{name[:NAME_SHOWN]!r} stands twice; expected it once", code="request.malformed")
        members[name] = value
    return members
