"""JSON of which there is one reading only (RFC 8259, RFC 7493).

What two parsers could read differently is refused: a member named twice, a number that is no finite one, a text that is
not UTF-8 or has half a character, or more levels than any message of ours has.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

MAX_DEPTH = 16  # the deepest of ours, a trust bundle, has five
MAX_DIGITS = 15  # below 2^53, which every reader keeps exactly (RFC 7493 section 2.2)


def parse_object(octets: bytes) -> dict[str, object]:
    """Raises ValueError, which says what is wrong and holds nothing of the text."""
    found = _parse(octets)
    if not isinstance(found, dict):
        raise ValueError("is no object")  # noqa: TRY004, it is the text that is wrong
    _measure(found, MAX_DEPTH)
    return found


def encode(value: object) -> bytes:
    """Without blanks, members as they come. Raises ValueError for a number that JSON does not have."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def encode_sorted(value: object) -> bytes:
    """The same for equal values, whatever the order of their members: to compare by, never to sign."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"), sort_keys=True).encode()


def _parse(octets: bytes) -> object:
    try:
        return json.loads(
            octets.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_no_number,
            parse_float=_finite,
            parse_int=_integer,
        )
    except UnicodeDecodeError:
        problem = "is not UTF-8"
    except RecursionError:
        problem = f"has more than {MAX_DEPTH} levels"
    except json.JSONDecodeError as error:
        problem = f"is no JSON: {error.msg} at octet {error.pos}"
    raise ValueError(problem)


def _once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("has a member twice")
    return members


def _no_number(_: str) -> object:
    raise ValueError("has a number that is none")


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise ValueError(f"has a number of more than {MAX_DIGITS} digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("has a number that is none")
    return number


def _measure(value: object, levels: int) -> None:
    if not levels:
        raise ValueError(f"has more than {MAX_DEPTH} levels")
    match value:
        case str():
            _check_text(value)
        case dict():
            for name, each in value.items():
                _check_text(name)
                _measure(each, levels - 1)
        case list():
            for each in value:
                _measure(each, levels - 1)


def _check_text(text: str) -> None:
    """Half of a surrogate pair can be written as an escape, and by nobody as UTF-8 (RFC 7493 section 2.1)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("has half a character in a text") from None
