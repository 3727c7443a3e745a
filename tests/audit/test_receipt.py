"""Receipts of the witness for checkpoints, and their vectors."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.audit.vectorfiles import DIRECTORY, files
from tests.trust.parties import CLUSTER, NOW, WITNESS
from warren.audit.chain import Head
from warren.audit.checkpoint import Checkpoint, parse_unverified, sign_checkpoint, token_hash
from warren.audit.receipt import check_receipt, receipt_for, sign_receipt, verify_receipt
from warren.audit.verify import Location, read_checkpoints
from warren.jws import SigningKey

pytestmark = [pytest.mark.unit, pytest.mark.security]

KEYS = {WITNESS.public.kid: WITNESS.public}
TOKEN = (DIRECTORY / "anchor.checkpoint").read_text().strip()
CHECKPOINT = parse_unverified(TOKEN)
VECTORS: list[dict[str, Any]] = json.loads((DIRECTORY / "receipts.json").read_text())


def test_vector_files_of_the_audit_log_are_up_to_date() -> None:
    for name, content in files().items():
        assert (DIRECTORY / name).read_text() == content, name


def test_receipt_names_its_checkpoint() -> None:
    receipt = verify_receipt(sign_receipt(receipt_for(TOKEN, CHECKPOINT, NOW), WITNESS), KEYS)
    assert (receipt.cluster, receipt.agent_id, receipt.n) == (CLUSTER, "gateway-001", CHECKPOINT.head.n)
    check_receipt(receipt, TOKEN, CHECKPOINT)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_receipt_vector_is_judged_as_documented(vector: dict[str, Any]) -> None:
    def judge() -> None:
        check_receipt(verify_receipt(vector["receipt"], KEYS), TOKEN, CHECKPOINT)

    if vector["good"]:
        judge()
        return
    with pytest.raises(ValueError, match=r"."):
        judge()


def test_checkpoint_without_a_cluster_gets_no_receipt() -> None:
    with pytest.raises(ValueError, match="cluster: expected"):
        sign_receipt(receipt_for(TOKEN, replace(CHECKPOINT, cluster=""), NOW), WITNESS)


def test_checkpoint_of_another_cluster_contradicts_the_log() -> None:
    key = SigningKey(bytes(32))
    first = sign_checkpoint(Checkpoint("gateway-001", Head(1, "aa" * 32), NOW), key)
    tokens = [first]
    for n, cluster in enumerate(("office", "office", "home", ""), 2):
        checkpoint = Checkpoint("gateway-001", Head(n, "aa" * 32), NOW, token_hash(tokens[-1]), cluster)
        tokens.append(sign_checkpoint(checkpoint, key))
    located = [(Location("checkpoints", number), token) for number, token in enumerate(tokens, 1)]
    _, findings = read_checkpoints(located, {key.public.kid: key.public})
    assert [(finding.location.line, "of cluster" in finding.problem) for finding in findings] == [(4, True)]
