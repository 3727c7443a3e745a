"""What a network's stack does not do becomes a condition."""

from __future__ import annotations

from warren.agent.stack_conditions import stack_conditions
from warren.telemetry.conditions import Condition

WELL = {"listeners": {"socks5 127.0.0.1:1080": None}, "max_flows": 8192, "no_exit": None, "no_icmp": None}


def test_a_stack_that_does_everything_has_no_condition() -> None:
    assert set(stack_conditions(WELL, 8192).values()) == {None}


def test_each_refusal_is_a_condition_with_its_cause() -> None:
    status = {
        "listeners": {"socks5 127.0.0.1:1080": "address in use", "http 127.0.0.1:3128": None},
        "max_flows": 768,
        "no_exit": "the addresses of this host cannot be listed",
        "no_icmp": "net.ipv4.ping_group_range is 1 0",
    }
    assert stack_conditions(status, 8192) == {
        "stack listeners": Condition("stack.not_listening", "socks5 127.0.0.1:1080: address in use"),
        "stack flows": Condition(
            "stack.flows_limited", "768 connections at most, not 8192: each takes a file descriptor"
        ),
        "stack exit": Condition("exit.refused", "the addresses of this host cannot be listed"),
        "stack icmp": Condition("exit.no_icmp", "net.ipv4.ping_group_range is 1 0"),
    }
