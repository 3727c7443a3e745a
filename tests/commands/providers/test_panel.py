"""create_panel_user, effect by effect (G-28, V-49)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.commands.commands import settings
from tests.commands.playbook import Playbook
from warren.commands.effects.effect import Secret
from warren.commands.effects.events import EmitEvent
from warren.commands.effects.files import ReadFile, WriteFile
from warren.commands.effects.locks import LockFile
from warren.commands.effects.passwords import HashPassword
from warren.commands.effects.programs import ProgramResult, RunScript
from warren.commands.providers.panel import MAX_FILE_BYTES, create_panel_user
from warren.commands.result import EMPTY_SHA256, Code, CommandError
from warren.commands.settings import PanelSettings, ServiceSettings
from warren.commands.verb import VerbContext

pytestmark = pytest.mark.unit

ARGS = {"username": "user1", "password": "correct horse"}
FILE = "/etc/nginx/panel.htpasswd"
BUILT_IN = replace(settings(), services=ServiceSettings(panel=PanelSettings(FILE)))


def play(*, built_in: bool) -> Playbook:
    occasion = VerbContext("node-1", "corr-1", "ada", BUILT_IN if built_in else settings())
    return Playbook(create_panel_user(ARGS, occasion))


def until_read(octets: bytes | None) -> Playbook:
    playbook = play(built_in=True)
    playbook.expect(HashPassword(Secret(b"correct horse"), 10)).reply("$2y$10$hash")
    playbook.expect(LockFile(f"{FILE}.lock")).reply()
    return playbook.expect(ReadFile(FILE, MAX_FILE_BYTES)).reply(octets)


def test_a_line_is_added_under_the_lock() -> None:
    playbook = until_read(b"ada:x\n")
    playbook.expect(WriteFile(FILE, Secret(b"ada:x\nuser1:$2y$10$hash\n"), 0o640)).reply()
    playbook.expect(EmitEvent("user.created", {"username": "user1", "system": "panel"})).reply()
    assert playbook.returned == {"user_created": True}


@pytest.mark.parametrize(("octets", "problem"), [(b"user1:x\n", "delete it first"), (None, "install -m 640")])
def test_what_is_refused_changes_nothing(octets: bytes | None, problem: str) -> None:
    with pytest.raises(CommandError, match=problem) as refused:
        until_read(octets)
    assert refused.value.code == Code.EXEC_FAILED


def test_a_script_has_the_password_by_its_standard_input() -> None:
    playbook = play(built_in=False)
    playbook.expect(RunScript("panel_create", ("user1",), Secret(b"correct horse\n")))
    playbook.reply(ProgramResult(0, b"", EMPTY_SHA256, EMPTY_SHA256)).of(EmitEvent)
    assert playbook.reply().returned == {"user_created": True}


def test_a_script_that_fails() -> None:
    playbook = play(built_in=False)
    with pytest.raises(CommandError, match="panel_create exited with status 3"):
        playbook.reply(ProgramResult(3, b"", EMPTY_SHA256, EMPTY_SHA256))
