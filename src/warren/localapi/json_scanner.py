"""Find the end of a JSON object (RFC 8259) without waiting for the end of its line.

The scanner stops at the first byte that no object can have at its place, so that malformed input is known as early as
possible. It checks only the syntax: the decoder checks escapes and duplicate names.
"""

from __future__ import annotations

import enum
import re

MAX_DEPTH = 32  # a request has four levels; the decoder's own stack would end at some 1,000
MAX_WORD_OCTETS = 64  # no value of a request is a number of more digits


class Outcome(enum.Enum):
    """State how far an object has been scanned."""

    OPEN = enum.auto()
    DONE = enum.auto()
    BROKEN = enum.auto()


class _Place(enum.StrEnum):
    """Name the place of the next byte in an object; the value names what is expected there."""

    START = "an object"
    FIRST_NAME = "a name in quotation marks, or }"
    NAME = "a name in quotation marks"
    IN_NAME = "a name that ends on its line"
    COLON = "a colon"
    FIRST_VALUE = "a value, or ]"
    VALUE = "a value"
    IN_TEXT = "a text that ends on its line"
    IN_WORD = "a number, true, false or null"
    AFTER_MEMBER = "a comma or }"
    AFTER_ITEM = "a comma or ]"
    TOO_DEEP = f"at most {MAX_DEPTH} levels"


_P = _Place
_STRINGS = (_P.IN_NAME, _P.IN_TEXT)
_VALUES = (_P.FIRST_VALUE, _P.VALUE)
_MOVES = {
    (_P.FIRST_NAME, '"'): _P.IN_NAME,
    (_P.NAME, '"'): _P.IN_NAME,
    (_P.COLON, ":"): _P.VALUE,
    (_P.FIRST_VALUE, '"'): _P.IN_TEXT,
    (_P.VALUE, '"'): _P.IN_TEXT,
    (_P.AFTER_MEMBER, ","): _P.NAME,
    (_P.AFTER_ITEM, ","): _P.VALUE,
}
_OPENS = {
    (_P.START, "{"): _P.FIRST_NAME,
    (_P.FIRST_VALUE, "{"): _P.FIRST_NAME,
    (_P.VALUE, "{"): _P.FIRST_NAME,
    (_P.FIRST_VALUE, "["): _P.FIRST_VALUE,
    (_P.VALUE, "["): _P.FIRST_VALUE,
}
_CLOSES = {(_P.FIRST_NAME, "}"), (_P.AFTER_MEMBER, "}"), (_P.FIRST_VALUE, "]"), (_P.AFTER_ITEM, "]")}

BLANKS = re.compile(rb"[ \t\r\n]*")
_STRING = re.compile(rb'(?:[^"\\\x00-\x1f]|\\[^\x00-\x1f])*')
_WORD = re.compile(rb"[-+.0-9A-Za-z]*")
_WORD_STARTS = frozenset(b"-0123456789tfn")
_SCALAR = re.compile(rb"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_BACKSLASH, _FIRST_PRINTABLE = b"\\ "


class Scanner:
    """Scan one object. Each byte is examined once, however the input is cut into pieces."""

    def __init__(self) -> None:
        self.outcome = Outcome.OPEN
        self._place = _P.START
        self._closings: list[_Place] = []
        """For each open level, the place after its value."""
        self._escaping = False
        self._word = bytearray()

    @property
    def expected(self) -> str:
        """Return what is expected at the current place."""
        return self._place.value

    def advance(self, octets: bytearray, at: int, end: int) -> int:
        """Scan from `at` to at most `end`, and return the new position.

        It is after the object if `outcome` is DONE, at the unexpected byte if it is BROKEN, else `end`.
        """
        while self.outcome is Outcome.OPEN and at < end:
            if self._place in _STRINGS:
                at = self._scan_string(octets, at, end)
            elif self._place is _P.IN_WORD:
                at = self._scan_word(octets, at, end)
            else:
                at = self._scan_blanks(octets, at, end)
        return at

    def _scan_blanks(self, octets: bytearray, at: int, end: int) -> int:
        at = _end(BLANKS, octets, at, end)
        if at == end:
            return at
        if self._place in _VALUES and octets[at] in _WORD_STARTS:
            self._place = _P.IN_WORD
            return at
        self._take(chr(octets[at]))
        return at if self.outcome is Outcome.BROKEN else at + 1

    def _take(self, mark: str) -> None:
        if (self._place, mark) in _CLOSES:
            self._closings.pop()
            self._after_value()
        elif inside := _OPENS.get((self._place, mark)):
            self._closings.append(_P.AFTER_MEMBER if mark == "{" else _P.AFTER_ITEM)
            self._place = inside
            if len(self._closings) > MAX_DEPTH:
                self._place, self.outcome = _P.TOO_DEEP, Outcome.BROKEN
        elif following := _MOVES.get((self._place, mark)):
            self._place = following
        else:
            self.outcome = Outcome.BROKEN

    def _after_value(self) -> None:
        if self._closings:
            self._place = self._closings[-1]
        else:
            self.outcome = Outcome.DONE

    def _scan_string(self, octets: bytearray, at: int, end: int) -> int:
        if not self._escaping:
            at = _end(_STRING, octets, at, end)
        if at == end:
            return at
        if octets[at] < _FIRST_PRINTABLE:
            self.outcome = Outcome.BROKEN
            return at
        if self._escaping:
            self._escaping = False
        elif octets[at] == _BACKSLASH:  # the last byte so far
            self._escaping = True
        elif self._place is _P.IN_NAME:
            self._place = _P.COLON
        else:
            self._after_value()
        return at + 1

    def _scan_word(self, octets: bytearray, at: int, end: int) -> int:
        stop = _end(_WORD, octets, at, min(end, at + MAX_WORD_OCTETS + 1))
        self._word += octets[at:stop]
        if len(self._word) <= MAX_WORD_OCTETS and stop == end:
            return stop
        if not _SCALAR.fullmatch(self._word) or len(self._word) > MAX_WORD_OCTETS:
            self.outcome = Outcome.BROKEN
            return stop - len(self._word)
        self._word.clear()
        self._after_value()
        return stop


def _end(pattern: re.Pattern[bytes], octets: bytearray, at: int, end: int) -> int:
    match = pattern.match(octets, at, end)
    return match.end() if match else at
