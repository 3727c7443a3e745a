"""Reconcile one interface until what is observed is what is desired.

The kernel couples what it keeps: an address takes routes along, a link that goes down takes IPv6 addresses along. A
plan knows of that what it must for traffic never to leave in clear. Everything else shows when the interface is
observed again, so no change is reported as done before an observation confirms it.
"""

from __future__ import annotations

from collections.abc import Callable

from warren._core import Netlink
from warren.tunnel.config import InterfaceConfig
from warren.tunnel.io.apply import Engine, apply_steps
from warren.tunnel.io.policy import CHOICE_OF_MARK, active_marks, with_policy
from warren.tunnel.plan import Step, plan
from warren.tunnel.routes import policy_table
from warren.tunnel.status import InterfaceStatus

MAX_ROUNDS = 4
"""Two are enough on a host that nobody else changes. More than four mean that another program undoes the changes: then
the next reconciliation goes on, which is not held up by this one."""


def converge(
    desired: InterfaceConfig,
    engine: Engine,
    netlink: Netlink,
    observe: Callable[[], InterfaceStatus],
    observed: InterfaceStatus | None = None,
) -> tuple[tuple[Step, ...], InterfaceStatus]:
    """Observe, plan and apply until no step is left, and return all steps and the last observation.

    The first observation is `observed`, if the caller has just made one. Raises WarrenError; steps before the one that
    failed stay applied.
    """
    applied: list[Step] = []
    with CHOICE_OF_MARK:
        status = observed or observe()
        for _ in range(MAX_ROUNDS):
            wanted = with_policy(desired, netlink, status)
            active_marks.record(desired.name, policy_table(wanted))
            steps = plan(wanted, status)
            if not steps:
                break
            apply_steps(steps, engine, netlink)
            applied += steps
            status = observe()
    return tuple(applied), status
