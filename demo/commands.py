"""A signed command runs once: its replay and its forgery are refused, and a log that was touched says so."""

from __future__ import annotations

import time

from demo.agent import Agent
from demo.authority import OFFICE, OPERATOR, htpasswd_of, node_of
from demo.failure import StageError
from demo.host import Host, run
from demo.screen import Screen
from demo.tunnel import FILES

TITLE = "A signed command: it runs once, and the log of it cannot be changed unseen"
COMMAND = FILES / "command"
PASSWORD = "correct-horse-9"  # noqa: S105, of nobody
FIRST_SECONDS = 60
REFUSED = 1


def show(screen: Screen, _alice: Host, bob: Host) -> str:
    """Sign, hand in, hand in again, change a letter of the command; then one of the log."""
    node = node_of(bob)
    htpasswd_of(node).touch(mode=0o600)
    pass_first_minute(screen, node)
    with node.running(networks=0):
        sign(screen, node)
        screen.quote(f"bob$ warren command submit command\n{node.warren('command', 'submit', str(COMMAND))}")
        show_effect(screen, node)
        screen.fact("the same envelope a second time:")
        screen.quote(refused(node, "REPLAY_DETECTED"))
        envelope = COMMAND.read_text()
        COMMAND.write_text(changed(envelope, at=len(envelope) // 2))
        screen.fact("with one letter changed:")
        screen.quote(refused(node, "INVALID_SIGNATURE"))
    screen.fact("all of it is in bob's audit log, which is one chain of hashes, signed when the agent stops:")
    screen.quote(f"bob$ warren audit verify\n{node.warren('audit', 'verify')}")
    tamper(screen, node)
    return "a signed command ran once, and one changed letter of its log was found"


def pass_first_minute(screen: Screen, node: Agent) -> None:
    """A node refuses what was issued before its record of used commands was a minute old."""
    begun = (node.root / "var/lib/warren/commands/commands.db").stat().st_mtime  # nothing has opened it since
    left = begun + FIRST_SECONDS + 1 - time.time()
    if left > 0:
        screen.fact("a new node cannot know what ran before it was made, and a command runs at most once:")
        screen.fact(f"it refuses what was issued in its first minute, of which {left:.0f} seconds are left …")
        time.sleep(left)


def sign(screen: Screen, node: Agent) -> None:
    """Where dana's keys are: a challenge comes from the node, an envelope goes there, and both are public."""
    challenge = FILES / "challenge"
    challenge.write_text(node.warren("command", "challenge"))
    words = ("command", "sign", "create_panel_user", "username=ada", "password", "--challenge", str(challenge))
    keys = ("--operator", str(OPERATOR), "--dispatch", str(OFFICE / "dispatch.jwks"))
    COMMAND.write_text(run("warren", *words, *keys, stdin=f"{PASSWORD}\n"))
    screen.fact(
        "dana: warren command sign create_panel_user username=ada password: ada's is asked for, and sealed to bob's key"
    )
    screen.quote(f"{COMMAND.read_text()[:76]}… {len(COMMAND.read_text())} letters")


def show_effect(screen: Screen, node: Agent) -> None:
    """The file on the host."""
    line = htpasswd_of(node).read_text()
    if not line.startswith("ada:$2y$") or PASSWORD in line:
        raise StageError("the command succeeded, and ada is not in panel.htpasswd")
    screen.quote(f"bob$ cat panel.htpasswd\n{line}")


def refused(node: Agent, code: str) -> str:
    """What the node says; StageError if that is anything but a refusal with this code."""
    said = node.warren("command", "submit", str(COMMAND), status=REFUSED)
    if f"DENIED {code}" not in said:
        raise StageError(f"the command was to be refused with {code}: {said}")
    return said.splitlines()[0]


def tamper(screen: Screen, node: Agent) -> None:
    """One letter, by whoever can write the log."""
    log = node.root / "var/lib/warren/audit/audit.jsonl"
    was, name = log.read_text(), '"actor":"dana"'
    if name not in was:
        raise StageError("the audit log does not say who it was")
    log.write_text(was.replace(name, '"actor":"jana"', 1))
    screen.fact("somebody changes one letter of the log: it was not dana, it was jana")
    screen.quote(f"bob$ warren audit verify\n{node.warren('audit', 'verify', status=REFUSED)}")


def changed(text: str, at: int) -> str:
    """One letter is another."""
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
