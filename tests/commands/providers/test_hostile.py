"""Arguments that someone would try are refused before anything runs, whatever the verb (G-41, G-42, V-47, X-06)."""

from __future__ import annotations

import asyncio

import pytest

from tests.commands.commands import command, settings
from tests.commands.providers.hostile import hostile
from warren.commands.pipeline.executor import Executor
from warren.commands.providers import openvpn, panel, users
from warren.commands.result import NOT_RUN, Code, Status
from warren.commands.verb import Verb

pytestmark = [pytest.mark.unit, pytest.mark.security]

PANEL: dict[str, object] = {"username": "user1", "password": "correct horse"}
FORM_001: dict[str, object] = {**PANEL, "email": "user1@example.com"}
FORM_004: dict[str, object] = {
    "username": "user1",
    "userpass": "correct horse",
    "source_ip": "192.0.2.2",
    "key": "c2VjcmV0c2VjcmV0c2VjcmV0",
    "hmac_key": "aG1hY2htYWNobWFjaG1hY2ht",
    "timeout": 3600,
}
MIXES: list[dict[str, object]] = [
    {**FORM_001, "timeout": 3600},
    {**FORM_004, "email": "user1@example.com"},
    {**FORM_004, "password": "correct horse"},
    {**FORM_001, **FORM_004},
    PANEL,
    {"username": "user1", "userpass": "correct horse", "email": "user1@example.com"},
    {},
]
CREATE_PANEL, CREATE_VPN, DELETE, LIST = *panel.VERBS, *openvpn.VERBS, *users.VERBS
CORPUS: list[tuple[Verb, str, list[tuple[str, dict[str, object]]]]] = [
    (CREATE_PANEL, "", [*hostile(PANEL, "username")]),
    (CREATE_VPN, " of 001", [*hostile(FORM_001, "username", "email")]),
    (CREATE_VPN, " of 004", [*hostile(FORM_004, "username", "source_ip")]),
    (CREATE_VPN, "", [(f"a mix of {' '.join(args)}", args) for args in MIXES]),
    (DELETE, "", [*hostile({"username": "user1"}, "username")]),
    (LIST, "", [*hostile({}), ("a name", {"username": "user1"})]),
]


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        pytest.param(verb, args, id=f"{verb.name}{variant}, {what}"[:80])
        for verb, variant, bad in CORPUS
        for what, args in bad
    ],
)
def test_hostile_arguments(verb: Verb, args: dict[str, object]) -> None:
    can_do_nothing = Executor("node-1", settings(), {}, lambda *_: b"", lambda _: None)
    result = asyncio.run(can_do_nothing.run(command(verb.name, args), verb, verb.run))
    # Whatever it had wanted done would have failed here, and that is another code.
    assert (result.status, result.error_code, result.rc) == (Status.DENIED, Code.VALIDATION_FAILED, NOT_RUN)
