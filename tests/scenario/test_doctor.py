"""`warren doctor` on healthy and faulty networks."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.netns.pair import FAR_INNER, NEAR_INNER
from warren._core import PrivateKey

from .agent import Agent
from .conftest import network_to

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("nft")]
Two = tuple[Agent, Agent]


def verdicts_of(agent: Agent) -> dict[str, dict[str, str]]:
    """Return the verdicts of an agent by check."""
    verdicts = json.loads(agent.attempt("doctor", "--json").stdout)
    return {verdict["check"]: verdict for verdict in verdicts}


def test_doctor_passes_healthy_network(joined: Two) -> None:
    near, _ = joined
    until(lambda: near.peers()["far"]["health"] == "healthy", "far is healthy")
    verdicts = verdicts_of(near)
    assert {check: verdict["result"] for check, verdict in verdicts.items()} == dict.fromkeys(
        (
            "state",
            "interface",
            "addresses",
            "routes",
            "endpoints",
            "port",
            "firewall",
            "peer far",
            f"mtu to {FAR_INNER[0]}",
        ),
        "ok",
    )
    assert verdicts[f"mtu to {FAR_INNER[0]}"]["sentence"] == "path MTU is at least 1420"
    assert near.attempt("doctor").returncode == 0


def test_doctor_finds_path_mtu_below_interface_mtu(joined: Two) -> None:
    near, far = joined
    until(lambda: near.peers()["far"]["health"] == "healthy", "far is healthy")
    far.host.ip("link", "set", "wg0", "mtu", "1300")
    far.host.run("nft", "-f", "-", stdin=NO_LONGER_THAN_1300)
    verdict = verdicts_of(near)[f"mtu to {FAR_INNER[0]}"]
    assert verdict["result"] == "warning"
    assert "path MTU is 1300" in verdict["sentence"]
    assert "mtu = 1300" in verdict["hint"]


NO_LONGER_THAN_1300 = """
table inet path {
    chain in { type filter hook input priority 0; iifname "wg0" meta length > 1300 drop; }
}
"""


def test_doctor_reports_dropping_firewall_with_hints_and_changes_no_rule(joined: Two) -> None:
    """Row H-94."""
    near, _ = joined
    chain = "type filter hook input priority 0; policy drop; ct state established accept;"
    near.host.run("nft", f"table inet filter {{ chain input {{ {chain} }}; }}")
    before = near.host.run("nft", "list", "ruleset")
    verdict = verdicts_of(near)["firewall"]
    assert verdict["result"] == "warning"
    for firewall in ("nftables", "iptables", "firewalld", "pf"):
        assert f"{firewall}:" in verdict["hint"]
    assert near.host.run("nft", "list", "ruleset") == before


def test_doctor_names_an_address_that_another_program_added(joined: Two) -> None:
    near, _ = joined
    near.host.ip("address", "add", "10.9.0.77/32", "dev", "wg0")
    verdict = verdicts_of(near)["addresses"]
    assert verdict["result"] == "warning"
    assert "wg0 has 10.9.0.77/32, which another program added" in verdict["sentence"]


def test_doctor_fails_for_unreachable_peer_and_stopped_network(two: Two) -> None:
    near, far = two
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    nobody = replace(network.peers[0], public_key=str(PrivateKey.generate().public_key()))
    near.configure(network.but(peers=(nobody,)))
    near.start()
    near.until_state("active")
    verdict = verdicts_of(near)["peer far"]
    assert (verdict["result"], verdict["sentence"]) == ("failed", "no handshake with 192.0.2.2:51820 yet")
    assert near.attempt("doctor").returncode == 1
    near.attempt("disconnect")
    verdicts = verdicts_of(near)
    assert (verdicts["state"]["result"], verdicts["interface"]["result"]) == ("failed", "failed")
    assert near.attempt("doctor", "--network", "nowhere").returncode == 1


def test_doctor_and_agent_name_an_endpoint_that_a_foreign_rule_leads_into_the_tunnel(two: Two) -> None:
    near, far = two
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    near.configure(network.but(peers=(replace(network.peers[0], allowed_ips=(f"{FAR_INNER[0]}/32", "192.0.2.2/32")),)))
    far.start()
    near.start()
    near.until_state("active")
    until(lambda: verdicts_of(near)["endpoints"]["result"] == "ok", "packets to the endpoint stay outside")
    assert near.host.attempt("ping", "-c1", "-W10", FAR_INNER[0]).returncode == 0
    near.host.ip("route", "add", "192.0.2.2", "dev", "wg0", "table", "99")
    near.host.ip("rule", "add", "to", "192.0.2.2", "table", "99")
    verdict = verdicts_of(near)["endpoints"]
    assert verdict["result"] == "failed"
    assert verdict["sentence"] == "packets to the endpoint 192.0.2.2 of peer far are routed into wg0 itself"
    warning = "packets to 192.0.2.2 are routed into wg0 itself"
    until(lambda: warning in near.attempt("list").stdout, "the agent warns")
    near.host.ip("rule", "delete", "to", "192.0.2.2")
    until(lambda: warning not in near.attempt("list").stdout, "the warning is gone")
