"""A store that cannot be written refuses work, says so in a condition with the cause, and works again by itself.

Each store is filled, and locked or closed to its owner, while the agent runs and when it starts. Nobody restarts
anything or sends a command before the condition is gone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from warren.commands.result import Result, Status
from warren.errors import WarrenError

from .agent import USER
from .commanded import Commanded
from .conftest import MakeAgent

pytestmark = [
    *IN_NAMESPACES,
    pytest.mark.security,
    pytest.mark.needs("mount", "dd"),
    pytest.mark.skipif(USER == "root", reason="a user namespace has no other users"),
]
SIZE = "700k"
MAX_COMMANDS = 300
RECOVERY_SECONDS = 120
SMALL = """
mkdir -p "$1" && cp -a "$1" "$1.kept" && mount -t tmpfs -o "size=$2" full "$1" && cp -a "$1.kept/." "$1/" &&
chown --reference "$1.kept" "$1" && chmod --reference "$1.kept" "$1"
"""
FILL = 'for size in 4096 1; do dd if=/dev/zero "of=$1/filler.$size" "bs=$size" 2>/dev/null; done; true'
LOCK = """
import sqlite3, sys, time
held = sqlite3.connect(sys.argv[1])
held.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(600)
"""
STORES = ("commands", "audit", "runner")
CAUSES = ("disk is full", "No space left", "is locked", "Read-only file system")
WHILE_RUNNING = {"commands": "command.store_failed", "audit": "audit.unwritable", "runner": "command.store_failed"}
AT_START = {"commands": "command.unavailable", "audit": "audit.unwritable", "runner": "runner.unavailable"}


@pytest.fixture
def node(make_agent: MakeAgent) -> Commanded:
    node = Commanded(make_agent("node"))
    node.prepare("[services.panel]", 'htpasswd = "/etc/htpasswd"', "bcrypt_cost = 4")
    (node.agent.directory / "etc/htpasswd").write_text("")
    return node


def directory(node: Commanded, store: str) -> Path:
    return node.agent.directory / "var/lib/warren" / store


def make_small(node: Commanded, store: str) -> None:
    """Put a store on a small disk of its own."""
    path = directory(node, store)
    if not path.exists():
        path.mkdir(mode=0o700)
        node.agent.host.run("chown", "--reference", directory(node, "commands"), path)
    node.agent.host.run("sh", "-c", SMALL, "-", path, SIZE)


@contextmanager
def full(node: Commanded, store: str) -> Iterator[None]:
    path = directory(node, store)
    node.agent.host.run("sh", "-c", FILL, "-", path)
    yield
    node.agent.host.run("sh", "-c", 'rm "$1"/filler.*', "-", path)


@contextmanager
def locked(node: Commanded, store: str) -> Iterator[None]:
    """Lock a database, and make a directory of files read-only."""
    path = directory(node, store)
    if store == "audit":
        make_small(node, store)
        node.agent.host.run("mount", "-o", "remount,ro", path)
        yield
        node.agent.host.run("mount", "-o", "remount,rw", path)
        return
    process = node.agent.host.start(sys.executable, "-c", LOCK, path / "commands.db")
    until(lambda: "locked" in node.agent.host.log(), "the database is locked")
    yield
    process.kill()
    for pid in node.agent.host.processes(sys.executable):
        if "BEGIN EXCLUSIVE" in node.agent.host.path(f"/proc/{pid}/cmdline").read_text(errors="replace"):
            node.agent.host.kill(pid)


def conditions(node: Commanded) -> dict[str, str]:
    return {each["name"]: each["message"] for each in node.agent.look("list")["conditions"]}


def command(node: Commanded, number: int) -> Result:
    """Run a command that changes something, as root."""
    return node.run("create_panel_user", username=f"user-{number}", password="correct-horse-9")  # noqa: S106, nobody's


def expect_recovery(node: Commanded, name: str) -> None:
    until(lambda: name not in conditions(node), f"{name} is gone", RECOVERY_SECONDS)
    node.challenge = node.ask("challenge")
    result = command(node, 9_999)
    assert result.status == Status.SUCCESS, result.problem


@pytest.mark.needs("curl")
@pytest.mark.parametrize("store", STORES)
def test_a_store_that_fills_while_it_is_used_is_a_condition_until_there_is_room(node: Commanded, store: str) -> None:
    make_small(node, store)
    node.start()
    assert command(node, 0).status == Status.SUCCESS
    name = WHILE_RUNNING[store]
    with full(node, store):
        refused = next(
            (result for number in range(1, MAX_COMMANDS) if (result := command(node, number)).status != Status.SUCCESS),
            None,
        )
        assert refused is not None
        until(lambda: name in conditions(node), f"{name} is shown")
        assert any(text in conditions(node)[name] for text in CAUSES)
        health = node.agent.host.run("curl", "-s", "http://localhost:9090/healthz")
        assert name in health
        assert '"healthy"' not in health.partition("networks")[0]
        done = node.agent.attempt("doctor")
        assert done.returncode == 1
        assert name in done.stdout
    expect_recovery(node, name)


@pytest.mark.parametrize("way", ["full", "locked"])
@pytest.mark.parametrize("store", STORES)
def test_a_store_that_cannot_be_opened_at_the_start_is_opened_later(node: Commanded, store: str, way: str) -> None:
    if way == "full":
        make_small(node, store)
    name = AT_START[store]
    with full(node, store) if way == "full" else locked(node, store):
        node.agent.start()
        if store == "audit":  # nothing is to be written to it before the first command
            node.challenge = node.ask("challenge")
            assert command(node, 0).status != Status.SUCCESS
        until(lambda: any(text in conditions(node).get(name, "") for text in CAUSES), f"{name} is shown with its cause")
        if store == "commands":
            with pytest.raises(WarrenError):
                node.ask("challenge")
    expect_recovery(node, name)


@contextmanager
def read_only(node: Commanded, store: str) -> Iterator[None]:
    """Mount the directory over itself, read-only; files that are open stay writable."""
    path = directory(node, store)
    node.agent.host.run("mount", "--bind", path, path)
    node.agent.host.run("mount", "-o", "remount,bind,ro", path)
    yield
    node.agent.host.run("umount", path)


def test_audit_log_that_becomes_read_only_lets_no_command_change_anything(node: Commanded) -> None:
    node.start()
    assert command(node, 0).status == Status.SUCCESS
    users = node.agent.directory / "etc/htpasswd"
    before = users.read_text()
    with read_only(node, "audit"):
        refused = [command(node, number) for number in range(1, 4)]
        assert all(result.status == Status.DENIED for result in refused)
        assert all("Read-only file system" in result.problem for result in refused)
        assert "Read-only file system" in conditions(node)["audit.unwritable"]
        assert node.run("get_system_health").status == Status.SUCCESS
        done = node.agent.attempt("doctor")
        assert done.returncode == 1
        assert "audit.unwritable" in done.stdout
        assert users.read_text() == before
    expect_recovery(node, "audit.unwritable")
    lines = node.audit()
    recorded = {line["correlation_id"] for line in lines if line["event"] == "command.refused"}
    assert recorded == {result.corr_id for result in refused}
    assert [line["n"] for line in lines] == [*range(lines[0]["n"], lines[0]["n"] + len(lines))]
