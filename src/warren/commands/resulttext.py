"""A result as the store keeps it: its JSON, in ASCII."""

from __future__ import annotations

import json

from warren.commands.result import Result
from warren.commands.result_json import parse_result, result_members


def encode_result(result: Result) -> bytes:
    """Raises ValueError or TypeError where its data are none of JSON."""
    return json.dumps(result_members(result), allow_nan=False, separators=(",", ":")).encode("ascii")


def decode_result(octets: bytes) -> Result:
    """What was encoded. Raises ValueError for anything else."""
    return parse_result(json.loads(octets))
