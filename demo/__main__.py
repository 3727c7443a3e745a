"""Run the stages in order, and print a summary of what they proved."""

from __future__ import annotations

import sys

from demo import (
    agents,
    commands,
    echo,
    namespaces,
    sniff_stage,
    status,
    teardown,
    throughput,
    trust_setup,
    tunnel,
    wire,
    without_root,
)
from demo.failure import StageError
from demo.host import Host
from demo.screen import Screen

STAGES = (wire, trust_setup, tunnel, echo, sniff_stage, throughput, status, teardown, agents, without_root, commands)

ALICE = Host("alice", wire="192.0.2.1", inside="10.77.0.1", inside6="fd77::1")
BOB = Host("bob", wire="192.0.2.2", inside="10.77.0.2", inside6="fd77::2")


def main() -> int:
    """Run the demo. Return 0 if every stage passed, else 1 after a sentence that names the failure."""
    screen = Screen.of_terminal()
    try:
        if not namespaces.is_inside():
            return namespaces.enter()
        namespaces.set_up()
        run_stages(screen)
    except StageError as error:
        screen.failed(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def run_stages(screen: Screen) -> None:
    """Run every stage, then print the summary."""
    screen.title("Warren: two hosts, one encrypted tunnel, and signed commands")
    results = []
    for stage in STAGES:
        screen.stage(stage.TITLE)
        results.append(stage.show(screen, ALICE, BOB))
    screen.proven("Proven: " + ", ".join(filter(None, results)) + ".")


if __name__ == "__main__":
    sys.exit(main())
