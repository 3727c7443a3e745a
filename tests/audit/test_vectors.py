"""The vectors of docs/protocol/audit.md, for other implementations of the verification."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from warren.audit.io.keyfile import read_verifying_keys
from warren.audit.io.logfiles import log_in
from warren.audit.verify import Location, read_checkpoints, verify_log

pytestmark = [pytest.mark.integration, pytest.mark.security]

VECTORS = Path(__file__).parent.parent / "vectors" / "audit"
DOCUMENT = json.loads((VECTORS / "cases.json").read_text())


@pytest.mark.parametrize("case", DOCUMENT["cases"], ids=lambda case: case["log"] + "-anchored" * case["anchor"])
def test_vector_gives_documented_verdict(case: dict[str, Any]) -> None:
    keys = read_verifying_keys(str(VECTORS / f"{case['key']}.jwk.json"))
    log = log_in([VECTORS / f"{case['log']}.jsonl"])
    anchors, findings = read_checkpoints(log.tokens(), keys)
    if case["anchor"]:
        token = (VECTORS / "anchor.checkpoint").read_text().strip()
        anchors += read_checkpoints([(Location("anchor", 1), token)], keys)[0]
    verdict = verify_log(log.lines(), anchors)
    findings += [*verdict.findings, *verdict.unproven]
    assert (not findings) is case["good"]
    assert [finding.location.line for finding in findings][:1] == case["lines"]


def test_heads_of_vectors_follow_documented_formula() -> None:
    head = bytes(32)
    for line, expected in zip((VECTORS / "good.jsonl").read_bytes().splitlines(), DOCUMENT["heads"], strict=True):
        assert json.loads(line)["prev"] == head.hex()
        head = hashlib.sha256(b"\x01" + head + hashlib.sha256(b"\x00" + line).digest()).digest()
        assert head.hex() == expected
