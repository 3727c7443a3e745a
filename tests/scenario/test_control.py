"""The control socket as document 000 uses it, with socat and without the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.netns.pair import FAR_INNER
from warren._core import PrivateKey

from .agent import Agent, Network, Peer

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("socat")]
Two = tuple[Agent, Agent]


def socat(agent: Agent, text: str) -> Any:
    """What `echo … | socat - UNIX-CONNECT:SOCKET` prints, with socat's own half second of patience."""
    said = agent.host.run("socat", "-", f"UNIX-CONNECT:{agent.directory}/run/warren/agent.sock", stdin=text)
    return json.loads(said)


def test_socat_lines_of_the_harmony_agent_interface_work(two: Two) -> None:
    """Rows H-27, H-30, H-34, H-35."""
    near, _ = two
    near.configure()
    near.config.write_text(_disabled(near))
    near.start()
    connected = socat(near, '{"id":"1","action":"connect","network":"default"}\n')
    assert connected["id"] == "1"
    assert connected["success"]
    assert connected["data"]["state"] in {"starting", "active"}
    near.until_state("active")
    status = socat(near, '{"id":"2","action":"status","network":"default"}\n')
    assert status["data"]["state"] == "active"
    assert set(status["data"]) == {"network", "state", "interface", "peers", "traffic"}
    stopped = socat(near, '{"id":"3","action":"disconnect","network":"default"}\n')
    assert stopped["data"] == {"network": "default", "state": "stopped"}
    assert "wg0" not in near.host.links()


def _disabled(agent: Agent) -> str:
    """A network that is there and not to be brought up."""
    peer = PrivateKey.generate().public_key()
    agent.key()
    return (
        '[network.default]\nenable_wireguard = false\nprivate_key_path = "/etc/warren/private.key"\n'
        f'address = "10.9.0.1/24"\n[[network.peers]]\nname = "far"\npublic_key = "{peer}"\n'
        'allowed_ips = ["10.9.0.2/32"]\n'
    )


def test_connect_with_a_config_adds_a_network_until_restart(two: Two) -> None:
    """Rows H-28, H-31, H-32: over several lines and without a newline at the end; gone after a restart."""
    near, far = two
    near.config.write_text("")
    near.start()
    far.start()
    near.key()
    request = {
        "id": "req-123",
        "action": "connect",
        "network": "lab",
        "config": {
            "interface": "wg0",
            "mtu": 1380,
            "address": "10.9.0.1/24",
            "listenPort": 51820,
            "privateKeyPath": "/etc/warren/private.key",
            "peers": [
                {
                    "name": "far",
                    "publicKey": far.key(),
                    "endpoint": "192.0.2.2:51820",
                    "allowedIps": [f"{FAR_INNER[0]}/32"],
                    "keepaliveSecs": 25,
                }
            ],
        },
    }
    answer = socat(near, json.dumps(request, indent=2))
    assert (answer["id"], answer["success"]) == ("req-123", True), answer
    near.until_state("active", "lab")
    assert "mtu 1380" in near.host.ip("link", "show", "wg0")
    until(lambda: near.host.attempt("ping", "-c1", "-W1", FAR_INNER[0]).returncode == 0, "far is reached", 60)
    assert near.network("lab")["origin"] == "control"
    near.reload()
    assert near.network("lab")["state"] == "active", "a reload leaves it alone"
    near.attempt("agent", "stop")
    near.start()
    assert near.ask("list")["networks"] == []


def test_reload_rejects_what_conflicts_with_a_network_of_a_client(two: Two) -> None:
    """Row H-14: two default routes would each lead the other's packets into themselves."""
    near, far = two
    near.config.write_text("")
    near.start()
    near.key()
    config = {
        "interface": "wg7",
        "privateKeyPath": "/etc/warren/private.key",
        "peers": [{"name": "far", "publicKey": far.key(), "allowedIps": ["0.0.0.0/0"]}],
    }
    assert socat(near, json.dumps({"id": "1", "action": "connect", "network": "lab", "config": config}))["success"]
    near.until_state("active", "lab")
    before = near.traces()
    everything = Peer("far", far.key(), ("10.0.0.0/8", "0.0.0.0/0"))
    near.configure(Network(peers=(everything,)))
    done = near.attempt("agent", "reload")
    assert done.returncode == 1
    assert "network.default.peers[0].allowed_ips[1]: 0.0.0.0/0 is already routed to network lab" in done.stderr
    assert near.traces() == before
    assert [network["network"] for network in near.ask("list")["networks"]] == ["lab"]


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ({"action": "status", "network": "nobody"}, "network_not_found"),
        ({"action": "connect", "network": "default"}, "invalid_state"),
        ({"action": "connect", "network": "x", "config": {"mtu": 1}}, "config_error"),
        ({"action": "connect", "network": "x", "config": {"privateKeyPath": "/etc/shadow"}}, "permission_denied"),
        ({"action": "rotate_keys", "network": "default", "config": {"step": "commit"}}, "invalid_state"),
        ({"action": "fly"}, "parse_error"),
    ],
)
def test_each_failure_has_its_type_and_changes_nothing(joined: Two, action: dict[str, Any], kind: str) -> None:
    near, _ = joined
    before = near.traces()
    answer = socat(near, json.dumps({"id": "7", **action}) + "\n")
    assert (answer["id"], answer["success"], answer["error"]["type"]) == ("7", False, kind), answer
    assert near.traces() == before
    assert near.network()["state"] == "active"
