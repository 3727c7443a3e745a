"""What is told to the sandbox, and what its answers mean."""

from __future__ import annotations

import json

import pytest

from warren.commands.effects.effect import EffectError
from warren.commands.result import Code, CommandError, Status
from warren.commands.sandbox_protocol import (
    ExitKind,
    FailedStage,
    Outcome,
    RunAs,
    SandboxLevel,
    SandboxRequest,
    encode_request,
    higher,
    parse_outcome,
    verify_outcome,
)
from warren.commands.settings import SandboxSettings

pytestmark = pytest.mark.unit

REACHED = b'{"sandbox_level":{"level":3,"facts":["user","paths"]}}'
L3 = SandboxLevel("L3", frozenset({"user", "paths"}))


def test_request_is_encoded_as_one_line() -> None:
    order = SandboxRequest(("/bin/true", "ü"), RunAs(61184, 61185, (7,), exclusive=True), "/run/x", "L1", 1.5)
    line = encode_request(order, SandboxSettings(writable=("/srv",), network=False))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "argv": ["/bin/true", "ü"],
        "probe": False,
        "user": {"uid": 61184, "gid": 61185, "groups": [7], "exclusive": True},
        "directory": "/run/x",
        "writable": ["/srv"],
        "network": False,
        "min_level": 1,
        "deadline_ms": 1500,
        "grace_ms": 5000,
        "limits": {"memory_bytes": 512 << 20, "cpu_seconds": 60, "processes": 64, "file_bytes": 64 << 20},
    }


def test_outcome_of_a_program_that_exited() -> None:
    outcome = parse_outcome([REACHED, b'{"exited":{"status":3,"kind":"exited"}}'])
    assert outcome == Outcome(L3, 3, ExitKind.EXITED)
    verify_outcome(outcome, "x", 45)


@pytest.mark.parametrize(
    ("lines", "code", "status"),
    [
        ([REACHED, b'{"exited":{"status":143,"kind":"deadline"}}'], Code.EXEC_TIMEOUT, Status.TIMEOUT),
        ([REACHED, b'{"exited":{"status":143,"kind":"stopped"}}'], Code.CANCELLED, Status.ERROR),
        ([REACHED, b'{"failed":{"stage":"level","problem":"L","errno":null}}'], Code.POLICY_DENIED, Status.DENIED),
        ([b'{"failed":{"stage":"network","problem":"N","errno":1}}'], Code.POLICY_DENIED, Status.DENIED),
    ],
)
def test_outcome_of_a_failed_or_killed_run_is_an_error(lines: list[bytes], code: Code, status: Status) -> None:
    with pytest.raises(CommandError, match=r"x was|x has not") as refused:
        verify_outcome(parse_outcome(lines), "x", 45)
    assert (refused.value.code, refused.value.status) == (code, status)


def test_failure_to_start_is_reported_before_the_exit_status() -> None:
    lines = [
        REACHED,
        b'{"failed":{"stage":"program","problem":"/x: No such file","errno":2}}',
        b'{"exited":{"status":127,"kind":"exited"}}',
    ]
    assert parse_outcome(lines).stage is FailedStage.PROGRAM
    with pytest.raises(EffectError, match="x has not run: /x: No such file"):
        verify_outcome(parse_outcome(lines), "x", 45)


@pytest.mark.parametrize("lines", [[], [REACHED]])
def test_outcome_without_an_end_means_that_the_sandbox_was_killed(lines: list[bytes]) -> None:
    with pytest.raises(EffectError, match="killed"):
        parse_outcome(lines)


def test_higher_returns_the_stricter_level() -> None:
    assert (higher("L0", "L1"), higher("L3", "L1"), higher("L2", "L2")) == ("L1", "L3", "L2")
