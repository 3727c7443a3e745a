"""The signing side: what it signs passes, and an answer is believed of its node alone."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from tests.trust.forge import forge
from tests.trust.parties import (
    ALICE,
    CLUSTER,
    CONTEXT,
    CORR_ID,
    DISPATCHER,
    NODE,
    NOW,
    OTHER_NODE,
    SENDING,
    SID,
    STOP,
    seed,
)
from warren.commands.command import Actor
from warren.commands.result import Code, Result, Status
from warren.commands.result_json import (
    MAX_RESULT_BYTES,
    acknowledge,
    decode_result,
    encode_result,
    limit_result,
    parse_result,
    result_members,
    signed_members,
)
from warren.commands.signing import (
    CommandEnvelope,
    Delivery,
    sign_command,
    sign_intent,
    sign_result,
    validate_result,
)
from warren.commands.verify import verify_command
from warren.jws import payload_of

pytestmark = pytest.mark.unit

RESULT = Result(
    corr_id=CORR_ID,
    agent_id=NODE.agent_id,
    verb="stop_container",
    status=Status.SUCCESS,
    error_code=Code.NONE,
    ts=NOW,
    rc=0,
    duration_ms=12,
    stdout="stopped ✓",
    data={"stopped": True},
)


def validated(text: str, corr_id: str = CORR_ID) -> Result:
    public = NODE.signing.public
    return validate_result(text, public, cluster=CLUSTER, agent_id=NODE.agent_id, corr_id=corr_id)


@pytest.mark.parametrize("text", ["x", "\x01", "✓"])
def test_result_with_the_longest_output_is_truncated_to_the_limit_and_validates(text: str) -> None:
    """The output is of [sandbox] max_output_bytes, also with every octet escaped."""
    whole = text * (1 << 20)
    limited = limit_result(replace(RESULT, stdout=whole))
    answer = sign_result(limited, NODE.signing, CLUSTER)
    assert MAX_RESULT_BYTES - 2048 < len(answer) <= MAX_RESULT_BYTES
    assert hashlib.sha256(whole.encode()).hexdigest() in limited.stdout
    assert validated(answer) == limited


def test_result_within_the_limit_is_unchanged() -> None:
    assert limit_result(RESULT) == RESULT


def test_acknowledged_result_keeps_its_outcome_and_the_hash_of_its_payload() -> None:
    kept = decode_result(acknowledge(encode_result(RESULT)))
    assert kept == replace(RESULT, stdout="", data={}, problem=kept.problem)
    assert hashlib.sha256(payload_of(result_members(RESULT))).hexdigest() in kept.problem


@pytest.mark.parametrize(
    "octets", [b"", b"[]", b"null", b'"x"', b"{", b"[" * 100_000], ids=lambda octets: repr(octets[:8])
)
def test_stored_result_that_is_no_object_is_not_acknowledged(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"object|Expecting|levels"):
        acknowledge(octets)


def test_answer_above_the_limit_becomes_an_error() -> None:
    limited = limit_result(replace(RESULT, data={"users": ["x" * 64] * 10_000}))
    assert (limited.status, limited.error_code, limited.data) == (Status.ERROR, Code.EXEC_FAILED, {})
    assert str(MAX_RESULT_BYTES) in limited.problem
    assert len(sign_result(limited, NODE.signing, CLUSTER)) <= MAX_RESULT_BYTES


def test_signed_command_verifies_and_its_result_validates() -> None:
    """Row V-77."""
    command = CommandEnvelope(
        "stop_container", STOP.args, Actor("alice", "ADMIN"), "policy-2026-01", ("gateway-001",), CLUSTER
    )
    command = replace(command, intent=sign_intent(command, ALICE, iat=NOW, exp=NOW + 60))
    verified = verify_command(sign_command(command, DISPATCHER, Delivery("local", SID, NOW)), CONTEXT)
    assert (verified.corr_id, verified.exp) == (command.corr_id, NOW + 60)
    answer = sign_result(replace(RESULT, corr_id=verified.corr_id), NODE.signing, CLUSTER)
    found = validated(answer, command.corr_id)
    assert found == replace(RESULT, corr_id=command.corr_id)


def test_commands_and_deliveries_are_unique() -> None:
    commands = [CommandEnvelope("list_users", {}, STOP.actor, STOP.policy_id, STOP.targets, CLUSTER) for _ in range(8)]
    assert len({command.corr_id for command in commands}) == 8
    assert len({Delivery("local", SID, NOW).nonce for _ in range(8)}) == 8


@pytest.mark.security
def test_validate_result_rejects_other_nodes_and_commands() -> None:
    """Row V-74."""
    by_another = sign_result(RESULT, OTHER_NODE.signing, CLUSTER)
    of_another = sign_result(replace(RESULT, agent_id=OTHER_NODE.agent_id), NODE.signing, CLUSTER)
    to_another = sign_result(replace(RESULT, corr_id="another-command"), NODE.signing, CLUSTER)
    header = {"alg": "Ed25519", "typ": "warren-cmd+jws", "kid": NODE.signing.public.kid}
    no_answer = forge(header, signed_members(RESULT, CLUSTER), seed("node, signing"))
    good = sign_result(RESULT, NODE.signing, CLUSTER)
    in_another = sign_result(RESULT, NODE.signing, "home")
    before = sign_result(RESULT, NODE.signing, "")
    typed = {**header, "typ": "warren-res+jws"}
    before_formats = forge(typed, result_members(RESULT), seed("node, signing"))
    later = forge(typed, {**signed_members(RESULT, CLUSTER), "format": 2}, seed("node, signing"))
    others = (in_another, before, by_another, of_another, to_another, no_answer, before_formats, later)
    for text in (*others, good[:-1], good + "A", ""):
        with pytest.raises(ValueError, match=r"^(format|key|result|type|signature|not|header)"):
            validated(text)


@pytest.mark.parametrize(
    "changes", [{"corr_id": "a b"}, {"targets": ()}, {"verb": ""}, {"policy_id": ""}, {"actor": Actor("", "ADMIN")}]
)
def test_sign_command_rejects_malformed_claims(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        sign_command(replace(STOP, **changes), DISPATCHER, SENDING)  # type: ignore[arg-type]


def test_repr_hides_arguments() -> None:
    assert "0123456789ab" not in repr(STOP)


def test_result_members_begin_with_those_of_viworks_outbound() -> None:
    """Row V-67."""
    members = result_members(RESULT)
    assert [*members][:10] == [
        "corr_id",
        "agent_id",
        "verb",
        "status",
        "rc",
        "duration_ms",
        "stdout",
        "stderr_hash",
        "error_code",
        "ts",
    ]
    assert members["ts"] == "2026-01-01T00:00:00Z"
    assert parse_result(members) == RESULT


@pytest.mark.parametrize(
    "changes",
    [{"status": "OK"}, {"error_code": "NO"}, {"rc": "0"}, {"ts": "2026-01-01"}, {"extra": 1}, {"level": "L9"}],
)
def test_parse_result_rejects_malformed_members(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_result({**result_members(RESULT), **changes})
