"""RESULT as JSON: the members of ViWorkS outbound (V-67), then Warren's; the payload of a `warren-res+jws` (V-74)."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from warren.cluster import NODE_CLUSTER
from warren.commands.envelope import MAX_TIME
from warren.commands.result import Code, Result, Status
from warren.jws import payload_of
from warren.shapes import Shape, anything, choice, record, text, whole
from warren.signed_types import RESULT, check_format
from warren.strictjson import encode

TYPE = RESULT.typ
MAX_RESULT_BYTES = 256 << 10  # of the JWS: a frame of the channel has at most 1 MiB, and carries other members too
MAX_PAYLOAD_BYTES = (MAX_RESULT_BYTES - 1024) * 3 // 4  # base64url; header and signature need less than 1024 octets

_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))

# A command that is rejected before its signature is verified has neither corr_id nor verb.
SHAPE: Shape = record(
    {
        "corr_id": text(r"[A-Za-z0-9._:-]{0,128}", "a corr_id, or nothing"),
        "agent_id": text(r"[A-Za-z0-9_-]{1,64}", "the name of a node"),
        "verb": text(r"([a-z][a-z0-9_]{0,63})?", "the name of a verb, or nothing"),
        "status": choice(*Status),
        "rc": whole(-1, 255),
        "duration_ms": whole(0, MAX_TIME),
        "stdout": text(r".*", "a text"),
        "stderr_hash": text(r"[0-9a-f]{64}", "a SHA-256 in 64 hexadecimal digits"),
        "error_code": choice(*Code),
        "ts": text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "a time like 2025-01-01T00:00:00Z"),
        "data": anything,
        "problem": text(r".*", "a text"),
        "level": choice("L0", "L1", "L2", "L3"),
    },
)


def result_members(result: Result) -> dict[str, object]:
    """Return the members that `parse_result` reads, in the order of ViWorkS outbound."""
    return {
        "corr_id": result.corr_id,
        "agent_id": result.agent_id,
        "verb": result.verb,
        "status": result.status.value,
        "rc": result.rc,
        "duration_ms": result.duration_ms,
        "stdout": result.stdout,
        "stderr_hash": result.stderr_hash,
        "error_code": result.error_code.value,
        "ts": _rfc3339(result.ts),
        "data": dict(result.data),
        "problem": result.problem,
        "level": result.level,
    }


def signed_members(result: Result, cluster: str) -> dict[str, object]:
    """Return the payload of a `warren-res+jws`; `cluster` is empty as long as the node has no trust bundle."""
    return {"format": RESULT.format, "cluster": cluster, **result_members(result)}


def parse_signed(members: Mapping[str, Any]) -> tuple[str, Result]:
    """Return the cluster and the result of a payload that `signed_members` returned. Raises ValueError."""
    check_format(members, RESULT)
    if "cluster" not in members:
        raise ValueError("cluster: missing")
    NODE_CLUSTER(members["cluster"], "cluster")
    rest = {name: value for name, value in members.items() if name not in ("format", "cluster")}
    return members["cluster"], parse_result(rest)


def parse_result(members: Mapping[str, Any]) -> Result:
    """Parse the members of a RESULT.

    Raises:
        ValueError: a member is missing, unknown or malformed; the text names it and what was expected.
    """
    SHAPE(members, "")
    return Result(
        corr_id=members["corr_id"],
        agent_id=members["agent_id"],
        verb=members["verb"],
        status=Status(members["status"]),
        error_code=Code(members["error_code"]),
        ts=_seconds(members["ts"]),
        rc=members["rc"],
        duration_ms=members["duration_ms"],
        stdout=members["stdout"],
        stderr_hash=members["stderr_hash"],
        data=members["data"],
        problem=members["problem"],
        level=members["level"],
    )


def limit_result(result: Result) -> Result:
    """Return the result with `stdout` truncated so that its JWS has at most MAX_RESULT_BYTES.

    The mark at the end has the hash of the whole text. An answer that is too long itself becomes an error.
    """
    if _size(result) <= MAX_PAYLOAD_BYTES:
        return result
    digest = hashlib.sha256(result.stdout.encode(errors="replace")).hexdigest()
    mark = f"\n[truncated: the SHA-256 of all {len(result.stdout)} characters is {digest}]\n"
    if _size(replace(result, stdout=mark)) > MAX_PAYLOAD_BYTES:
        problem = f"the answer exceeds the limit of a RESULT, {MAX_RESULT_BYTES} octets"
        return replace(result, status=Status.ERROR, error_code=Code.EXEC_FAILED, stdout="", data={}, problem=problem)
    fits, exceeds = 0, len(result.stdout)
    while exceeds - fits > 1:
        middle = (fits + exceeds) // 2
        if _size(replace(result, stdout=result.stdout[:middle] + mark)) <= MAX_PAYLOAD_BYTES:
            fits = middle
        else:
            exceeds = middle
    return replace(result, stdout=result.stdout[:fits] + mark)


def encode_result(result: Result) -> bytes:
    """Return the result as the store keeps it: JSON in ASCII.

    Raises:
        ValueError, TypeError: its data cannot be expressed in JSON.
    """
    return _ENCODER.encode(result_members(result)).encode("ascii")


def acknowledge(octets: bytes) -> bytes:
    """Return what is kept of an encoded result that nobody fetches any more: its outcome and its hash.

    The hash is that of the payload of the RESULT, which the receiver has. Each command has its result acknowledged, and
    it is the store's own: so it is changed without being parsed as a result.

    Raises:
        ValueError: the octets are no JSON object.
    """
    try:
        members = json.loads(octets)
    except RecursionError:
        raise ValueError("too many levels") from None
    if not isinstance(members, dict):
        raise ValueError("not an object")  # noqa: TRY004, the text is wrong, not its type in Python
    digest = hashlib.sha256(payload_of(members)).hexdigest()
    problem = f"this command was executed and its result is no longer stored; the SHA-256 of its payload is {digest}"
    return _ENCODER.encode({**members, "stdout": "", "data": {}, "problem": problem}).encode("ascii")


def decode_result(octets: bytes) -> Result:
    """Return what was encoded.

    Raises:
        ValueError: the octets are not an encoded result.
    """
    try:
        return parse_result(json.loads(octets))
    except RecursionError:
        raise ValueError("too many levels") from None


def _size(result: Result) -> int:
    return len(encode(result_members(result)))


@lru_cache(maxsize=16)  # a command's result is encoded three times, and a second has many of them
def _rfc3339(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp())
