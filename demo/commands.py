"""A signed command runs once. Its replay, a forged copy and a tampered audit log are detected."""

from __future__ import annotations

import time

from demo.agent import Agent
from demo.failure import StageError
from demo.host import Host, run
from demo.screen import Screen
from demo.trust_setup import OFFICE, OPERATOR, htpasswd_of, node_of
from demo.tunnel import FILES

TITLE = "A signed command: runs once; replay, forgery and log tampering are detected"
COMMAND = FILES / "command"
PASSWORD = "correct-horse-9"  # noqa: S105, used in this demo only
FIRST_SECONDS = 60
FAILED = 1


def show(screen: Screen, _alice: Host, bob: Host) -> str:
    """Submit a command, its replay and a forged copy; then tamper with the audit log."""
    node = node_of(bob)
    htpasswd_of(node).touch(mode=0o600)
    wait_for_first_minute(screen, node)
    with node.running(networks=0):
        sign(screen, node)
        screen.quote(f"bob$ warren command submit command\n{node.warren('command', 'submit', str(COMMAND))}")
        show_effect(screen, node)
        screen.fact("replay: the same envelope again")
        screen.quote(rejection(node, "REPLAY_DETECTED"))
        envelope = COMMAND.read_text()
        COMMAND.write_text(with_changed_character(envelope, at=len(envelope) // 2))
        screen.fact("forgery: one character changed")
        screen.quote(rejection(node, "INVALID_SIGNATURE"))
    screen.fact("the audit log of bob is a hash chain with signed checkpoints:")
    screen.quote(f"bob$ warren audit verify\n{node.warren('audit', 'verify')}")
    tamper(screen, node)
    return "a signed command ran once, and one changed character in its audit log was detected"


def wait_for_first_minute(screen: Screen, node: Agent) -> None:
    """Wait until the replay store is a minute old: a node rejects commands issued before that."""
    initialized = (node.root / "var/lib/warren/commands/commands.db").stat().st_mtime  # not opened since
    left = initialized + FIRST_SECONDS + 1 - time.time()
    if left > 0:
        screen.fact("a new node cannot know which commands ran before, and a command runs at most once:")
        screen.fact(f"it rejects commands issued in its first minute; waiting {left:.0f} s …")
        time.sleep(left)


def sign(screen: Screen, node: Agent) -> None:
    """Sign where dana's keys are. The challenge comes from the node, the envelope goes there; both are public."""
    challenge = FILES / "challenge"
    challenge.write_text(node.warren("command", "challenge"))
    words = ("command", "sign", "create_panel_user", "username=ada", "password", "--challenge", str(challenge))
    keys = ("--operator", str(OPERATOR), "--dispatch", str(OFFICE / "dispatch.jwks"))
    COMMAND.write_text(run("warren", *words, *keys, stdin=f"{PASSWORD}\n"))
    screen.fact("dana: warren command sign create_panel_user username=ada password")
    screen.fact("      the password is prompted for, and sealed to bob's key:")
    screen.quote(f"{COMMAND.read_text()[:76]}… {len(COMMAND.read_text())} characters")


def show_effect(screen: Screen, node: Agent) -> None:
    """Show the entry that the command wrote."""
    line = htpasswd_of(node).read_text()
    if not line.startswith("ada:$2y$") or PASSWORD in line:
        raise StageError("the command succeeded, but panel.htpasswd has no entry for ada")
    screen.quote(f"bob$ cat panel.htpasswd\n{line}")


def rejection(node: Agent, code: str) -> str:
    """Submit the command, and return the node's rejection. Raises StageError for any other result."""
    output = node.warren("command", "submit", str(COMMAND), status=FAILED)
    if f"DENIED {code}" not in output:
        raise StageError(f"expected a rejection with {code}: {output}")
    return output.splitlines()[0]


def tamper(screen: Screen, node: Agent) -> None:
    """Change one character of the log, as a user with write access can."""
    log = node.root / "var/lib/warren/audit/audit.jsonl"
    text, actor = log.read_text(), '"actor":"dana"'
    if actor not in text:
        raise StageError("the audit log does not name the operator")
    log.write_text(text.replace(actor, '"actor":"jana"', 1))
    screen.fact("tampering: one character of the log is changed, dana becomes jana")
    screen.quote(f"bob$ warren audit verify\n{node.warren('audit', 'verify', status=FAILED)}")


def with_changed_character(text: str, at: int) -> str:
    """Return the text with another character at a position."""
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
