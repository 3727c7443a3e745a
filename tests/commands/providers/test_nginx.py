"""A real nginx asks the file that create_panel_user writes (G-28)."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.commands.commands import settings
from tests.commands.providers.performing import Node
from tests.netns.deadline import until
from tests.nginx import HEAD
from warren.commands.providers.htpasswd import names
from warren.commands.providers.panel import VERBS
from warren.commands.result import Code, Status
from warren.commands.settings import PanelSettings, ServiceSettings

pytestmark = [pytest.mark.integration, pytest.mark.needs("nginx", "curl")]

CREATE = VERBS[0]
NGINX = (
    HEAD
    + """        listen unix:{directory}/socket;
        root {directory}/html;
        auth_basic "panel";
        auth_basic_user_file {directory}/htpasswd;
    }}
}}
"""
)


class Panel:
    """An nginx whose pages stand behind auth_basic, and a node that has the file."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "htpasswd"
        self.file.touch(mode=0o640)
        (directory / "html").mkdir()
        (directory / "html" / "index.html").write_text("the panel\n")
        (directory / "nginx.conf").write_text(NGINX.format(directory=directory))
        services = ServiceSettings(panel=PanelSettings(str(self.file), bcrypt_cost=4))
        self.node = Node(replace(settings(), services=services))

    def create(self, username: str, password: str) -> Code:
        """What comes of the verb."""
        return self.node.run(CREATE, {"username": username, "password": password}).error_code

    def status(self, username: str, password: str) -> int:
        """What nginx answers this user."""
        words = ["curl", "--silent", "--output", os.devnull, "--write-out", "%{http_code}"]
        words += ["--unix-socket", str(self.directory / "socket"), "--user", f"{username}:{password}", "http://panel/"]
        return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[Panel]:
    made = Panel(tmp_path)
    with subprocess.Popen(["nginx", "-e", tmp_path / "error.log", "-c", tmp_path / "nginx.conf"]) as nginx:
        try:
            until((tmp_path / "socket").exists, "nginx listens")
            yield made
        finally:
            nginx.terminate()


def test_the_user_is_let_in_and_nobody_else(panel: Panel) -> None:
    assert panel.status("user1", "correct horse") == 401
    assert panel.create("user1", "correct horse") == Code.NONE
    assert panel.status("user1", "correct horse") == 200
    assert panel.status("user1", "correct horsf") == 401
    assert panel.status("user2", "correct horse") == 401


@pytest.mark.parametrize("password", ["pässwörter & $(id) 'x'", "p" * 128, "ü" * 128])
def test_every_password_of_the_rule(panel: Panel, password: str) -> None:
    assert panel.create("user1", password) == Code.NONE
    assert panel.status("user1", password) == 200
    assert panel.status("user1", "x" + password[1:]) == 401


def test_a_user_that_is_there_keeps_the_password(panel: Panel) -> None:
    assert panel.create("user1", "correct horse") == Code.NONE
    assert panel.create("user1", "another horse") == Code.EXEC_FAILED
    assert panel.status("user1", "correct horse") == 200


def test_of_many_at_once_none_is_lost(panel: Panel) -> None:
    panel.file.chmod(0o644)

    async def all_at_once() -> None:
        users = [{"username": f"user{n}", "password": f"password {n}"} for n in range(30)]
        results = await asyncio.gather(*(panel.node.running(CREATE, user) for user in users))
        assert {result.status for result in results} == {Status.SUCCESS}

    asyncio.run(all_at_once())
    assert names(panel.file.read_bytes()) == {f"user{n}" for n in range(30)}
    assert panel.status("user7", "password 7") == 200
    assert stat.S_IMODE(panel.file.stat().st_mode) == 0o644  # what its owner made of it
