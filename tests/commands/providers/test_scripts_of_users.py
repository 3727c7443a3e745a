"""Users by scripts of the owner, run for real in the sandbox (G-27 to G-30, G-44, V-49 to V-51, V-58)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.commands.commands import settings
from tests.commands.providers.performing import Node
from warren.clock import monotonic_seconds
from warren.commands.effects.programs import ProgramResult, RunScript
from warren.commands.execution import Execution
from warren.commands.handlers.program_runner import ProgramRunner
from warren.commands.providers import openvpn, panel, users
from warren.commands.result import Code, Status
from warren.commands.settings import SandboxSettings, ScriptSettings

pytestmark = [pytest.mark.integration, pytest.mark.root, pytest.mark.security]

(CREATE_VPN,), (CREATE_PANEL,), (DELETE, LIST) = openvpn.VERBS, panel.VERBS, users.VERBS
PANEL = {"username": "user1", "password": "correct $(id) horse"}
FORM_004 = {
    "username": "user1",
    "userpass": "correct horse",
    "source_ip": "192.0.2.2",
    "key": "c2VjcmV0c2VjcmV0c2VjcmV0",
    "hmac_key": "aG1hY2htYWNobWFjaG1hY2ht",
    "timeout": 3600,
}
# What every user of the host could read of it, how many lines it is given, and how long the first of them is.
TELLS = """
printf 'argv '; tr '\\0' ' ' < /proc/$$/cmdline | cut -d' ' -f3-; printf '\\n'
env | sort
first=""
count=0
while IFS= read -r line; do [ $count -gt 0 ] || first=$line; count=$((count + 1)); done
echo "lines $count, first ${#first}"
"""


class Scripts:
    """A directory that nobody else can write on the way to, unlike /tmp, and a node that runs what is in it."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "scripts"
        self.root.mkdir()
        self._work = directory / "work"
        self.node = Node(settings(), {RunScript: self._run})
        self.use(ScriptSettings(scripts_root=str(self.root)))

    def use(self, scripts: ScriptSettings) -> None:
        limits = SandboxSettings(min_level="L0")
        self.node.settings = replace(settings(), scripts=scripts, sandbox=limits)
        self._programs = ProgramRunner(limits, scripts, self._work, "warren")

    def put(self, name: str, text: str) -> Path:
        path = self.root / name
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)
        return path

    async def _run(self, effect: RunScript, running: Execution) -> ProgramResult:
        seconds = running.deadline - monotonic_seconds()
        done = await self._programs.run(effect, deadline_seconds=seconds, min_level="L0", pinned={})
        running.record_program(done)
        return done


@pytest.fixture
def scripts() -> Iterator[Scripts]:
    with tempfile.TemporaryDirectory(dir="/run", prefix="warren-") as directory:
        Path(directory).chmod(0o755)
        yield Scripts(Path(directory))


def test_a_panel_user(scripts: Scripts) -> None:
    scripts.put("add_user.sh", TELLS)
    result = scripts.node.run(CREATE_PANEL, PANEL)
    assert (result.status, result.rc, result.data) == (Status.SUCCESS, 0, {"user_created": True}), result.problem
    told = result.stdout.splitlines()
    assert told[0].split() == ["argv", "user1"]
    assert told[-1] == "lines 1, first 19"
    assert not [line for line in told if "horse" in line]


def test_a_vpn_user(scripts: Scripts) -> None:
    scripts.put("add_vpn_user.sh", TELLS)
    result = scripts.node.run(CREATE_VPN, FORM_004)
    assert result.status == Status.SUCCESS, result.problem
    told = result.stdout.splitlines()
    assert told[0].split() == ["argv", "user1", "192.0.2.2", "3600"]
    assert told[-1] == "lines 3, first 13"
    assert not [line for line in told if "horse" in line or "c2VjcmV0" in line]


def test_an_old_script_has_secrets_as_arguments_and_that_is_told(scripts: Scripts) -> None:
    scripts.use(ScriptSettings(scripts_root=str(scripts.root), args_mode={"panel_create": "argv"}))
    scripts.put("add_user.sh", '[ "$#" = 2 ] && [ "$2" = \'correct $(id) horse\' ] && echo "as $2"')
    result = scripts.node.run(CREATE_PANEL, PANEL)
    assert (result.status, result.stdout) == (Status.SUCCESS, "as ***\n")
    assert scripts.node.events[0] == ("script.secrets_on_argv", {"script": "panel_create"})


def test_a_script_that_fails(scripts: Scripts) -> None:
    scripts.put("add_user.sh", "cat >&2\nexit 3\n")
    result = scripts.node.run(CREATE_PANEL, PANEL)
    assert (result.status, result.error_code, result.rc) == (Status.ERROR, Code.EXEC_FAILED, 3)
    assert "horse" not in repr(result)


def test_a_script_that_is_not_there(scripts: Scripts) -> None:
    result = scripts.node.run(CREATE_PANEL, PANEL)
    assert (result.status, result.error_code) == (Status.ERROR, Code.SCRIPT_NOT_FOUND)


def test_both_halves_of_a_deletion(scripts: Scripts) -> None:
    scripts.put("delete_vpn_user.sh", 'echo "vpn $*"')
    scripts.put("delete_user.sh", 'echo "panel $*"; exit 1')
    half = scripts.node.run(DELETE, {"username": "user1"})
    assert (half.status, half.stdout) == (Status.ERROR, "vpn user1\npanel user1\n")
    assert half.problem.startswith("openvpn: deleted; panel: script panel_delete exited with status 1")
    scripts.put("delete_user.sh", 'echo "panel $*"')
    assert scripts.node.run(DELETE, {"username": "user1"}).status == Status.SUCCESS


def test_a_list(scripts: Scripts) -> None:
    path = scripts.put("list.sh", "echo user2; echo user1\n")
    scripts.use(ScriptSettings({"openvpn_list": str(path)}))
    assert scripts.node.run(LIST, {}).data == {
        "users": [{"username": name, "systems": ["openvpn"]} for name in ("user1", "user2")],
        "not_listed": ["panel"],
    }
    scripts.put("list.sh", "echo user1; echo 'no such option: --list'\n")
    assert scripts.node.run(LIST, {}).error_code == Code.EXEC_FAILED
