"""Strict JSON (RFC 8259, RFC 7493): reject every text that two parsers could read differently.

Rejected are duplicate members, non-finite numbers, texts that are not UTF-8 or contain an unpaired surrogate, and texts
with more levels than any message of Warren has.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

MAX_DEPTH = 16  # the deepest message, a trust bundle, has five levels
MAX_DIGITS = 15  # below 2^53, which every parser represents exactly (RFC 7493 section 2.2)


def parse_object(octets: bytes) -> dict[str, object]:
    """Parse an object.

    Raises:
        ValueError: the text is not a strict JSON object. The message holds nothing of the text.
    """
    members = _parse(octets)
    if not isinstance(members, dict):
        raise ValueError("not an object")  # noqa: TRY004, the text is wrong, not its type in Python
    _check_levels(members, MAX_DEPTH)
    return members


def encode(value: object) -> bytes:
    """Encode without whitespace, members in their order. Raises ValueError for a non-finite number."""
    return _ENCODER.encode(value).encode()


def encode_sorted(value: object) -> bytes:
    """Encode with sorted members: equal values have equal texts. Use it to compare, never to sign."""
    return _SORTING_ENCODER.encode(value).encode()


def _parse(octets: bytes) -> object:
    try:
        return _DECODER.decode(octets.decode("utf-8"))
    except UnicodeDecodeError:
        problem = "not UTF-8"
    except RecursionError:
        problem = f"more than {MAX_DEPTH} levels"
    except json.JSONDecodeError as error:
        problem = f"invalid JSON: {error.msg} at octet {error.pos}"
    raise ValueError(problem)


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _reject_constant(_: str) -> object:
    raise ValueError("non-finite number")


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise ValueError(f"number of more than {MAX_DIGITS} digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("non-finite number")
    return number


def _check_levels(value: object, levels: int) -> None:
    if not levels:
        raise ValueError(f"more than {MAX_DEPTH} levels")
    match value:
        case str():
            _check_text(value)
        case dict():
            for name, member in value.items():
                _check_text(name)
                _check_levels(member, levels - 1)
        case list():
            for item in value:
                _check_levels(item, levels - 1)


def _check_text(text: str) -> None:
    """Reject an unpaired surrogate: JSON can escape one, UTF-8 cannot encode it (RFC 7493 section 2.1)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("unpaired surrogate") from None


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_reject_constant, parse_float=_finite, parse_int=_integer
)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_SORTING_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"), sort_keys=True)
