"""Tell what a network's stack does not do, by its status. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from warren.telemetry.conditions import Condition


def stack_conditions(status: Mapping[str, Any], configured_flows: int) -> dict[str, Condition | None]:
    """Return the condition of each subject, None where all is well; `status` is that of `Device.netstack_status`."""
    found: dict[str, Condition | None] = dict.fromkeys(("stack listeners", "stack flows", "stack exit", "stack icmp"))
    refused = [f"{listener}: {reason}" for listener, reason in status["listeners"].items() if reason is not None]
    if refused:
        found["stack listeners"] = Condition("stack.not_listening", "; ".join(refused))
    if (flows := status["max_flows"]) < configured_flows:
        limit = f"{flows} connections at most, not {configured_flows}: each takes a file descriptor"
        found["stack flows"] = Condition("stack.flows_limited", limit)
    if (reason := status["no_exit"]) is not None:
        found["stack exit"] = Condition("exit.refused", reason)
    if (reason := status["no_icmp"]) is not None:
        found["stack icmp"] = Condition("exit.no_icmp", reason)
    return found
