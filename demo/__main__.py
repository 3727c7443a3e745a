"""Runs the stages in order and says in one line what they proved."""

from __future__ import annotations

import sys

from demo import agents, authority, commands, echo, enclosure, farewell, secrecy, status, throughput, tunnel, wire
from demo.failure import StageError
from demo.host import Host
from demo.screen import Screen

STAGES = (wire, authority, tunnel, echo, secrecy, throughput, status, farewell, agents, commands)

ALICE = Host("alice", wire="192.0.2.1", inside="10.77.0.1", inside6="fd77::1")
BOB = Host("bob", wire="192.0.2.2", inside="10.77.0.2", inside6="fd77::2")


def main() -> int:
    """0 if everything was shown; 1 with a sentence if not."""
    screen = Screen.of_terminal()
    try:
        if not enclosure.is_inside():
            return enclosure.enter()
        enclosure.settle()
        demonstrate(screen)
    except StageError as error:
        screen.failed(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def demonstrate(screen: Screen) -> None:
    """Every stage, then what they proved."""
    screen.title("Warren: two hosts, one encrypted tunnel, and commands that somebody has signed")
    proven = []
    for stage in STAGES:
        screen.stage(stage.TITLE)
        proven.append(stage.show(screen, ALICE, BOB))
    screen.proven("Proven: " + ", ".join(filter(None, proven)) + ".")


if __name__ == "__main__":
    sys.exit(main())
