"""`rotate_keys` in two steps, never a lockout (H-37, X-20)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.netns.pair import FAR_INNER, NEAR_INNER

from .agent import Agent
from .conftest import network_to
from .flood import EchoFlood

pytestmark = IN_NAMESPACES
Two = tuple[Agent, Agent]


def knows(far: Agent, near: Agent, public_key: str) -> None:
    """Has `far` know its peer by that key."""
    network = network_to(near, FAR_INNER[0], NEAR_INNER[0])
    far.configure(network.but(peers=(replace(network.peers[0], public_key=public_key),)))
    far.reload()


def reaches(near: Agent) -> None:
    until(lambda: near.host.attempt("ping", "-c1", "-W1", FAR_INNER[0]).returncode == 0, "far is reached", 60)


def files(agent: Agent) -> set[str]:
    return {path.name for path in (agent.directory / "etc/warren").iterdir()} - {"agent.toml"}


def test_prepare_tell_commit_and_the_first_handshake_ends_it(joined: Two) -> None:
    near, far = joined
    old = near.network()["public_key"]
    new = near.ask("rotate-keys")["public_key"]
    assert new != old
    assert near.ask("rotate-keys")["public_key"] == new, "asked again, the same key"
    assert near.network()["public_key"] == old, "nothing changes on the wire"
    assert near.host.attempt("ping", "-c1", "-W5", FAR_INNER[0]).returncode == 0
    knows(far, near, new)
    assert near.ask("rotate-keys", "--commit") == {"network": "default", "step": "committed", "public_key": new}
    assert near.network()["public_key"] == new
    reaches(near)
    near.host.kill(near.pid(), "KILL")
    near.start()
    near.until_state("active")
    assert near.network()["public_key"] == new, "it outlives a kill"
    reaches(near)


def test_the_old_key_is_kept_until_a_handshake_and_abort_goes_back(joined: Two) -> None:
    near, _ = joined
    old = near.network()["public_key"]
    near.ask("rotate-keys")
    near.ask("rotate-keys", "--commit")
    assert files(near) >= {"private.key", "private.key.previous"}
    assert near.ask("rotate-keys", "--abort")["public_key"] == old
    assert near.network()["public_key"] == old
    assert files(near) == {"private.key"}
    reaches(near)


def test_what_the_host_refuses_meanwhile_is_told_and_locks_nobody_out(joined: Two) -> None:
    """The files have the new key by then: the request is done, and the interface is brought to it as soon as it can."""
    near, far = joined
    new = near.ask("rotate-keys")["public_key"]
    knows(far, near, new)
    route = (f"{FAR_INNER[0]}/32", "dev", "eth0")
    near.host.ip("route", "replace", *route)  # at once: a route that is missing comes back within milliseconds
    assert near.ask("rotate-keys", "--commit")["step"] == "committed"
    until(lambda: near.network()["error"], "it is told")
    assert near.network()["state"] == "active"
    assert files(near) >= {"private.key", "private.key.previous"}
    near.host.ip("route", "delete", *route)
    until(lambda: near.network()["error"] is None, "all is well")
    assert near.network()["public_key"] == new
    for action in ("disconnect", "connect"):  # its handshake may have come before the new key was first observed
        far.ask(action, "default")
    reaches(near)
    until(lambda: files(near) == {"private.key"}, "a handshake has confirmed the new key")


def test_a_prepared_key_survives_a_kill_and_can_be_dropped(joined: Two) -> None:
    near, _ = joined
    new = near.ask("rotate-keys")["public_key"]
    near.host.kill(near.pid(), "KILL")
    near.start()
    assert near.ask("rotate-keys")["public_key"] == new
    near.ask("rotate-keys", "--abort")
    assert files(near) == {"private.key"}


def test_steps_out_of_order_are_refused_with_what_would_be_right(joined: Two) -> None:
    near, _ = joined
    for option in ("--commit", "--abort"):
        done = near.attempt("rotate-keys", option)
        assert done.returncode == 1
        assert "no new key is prepared" in done.stderr
    assert files(near) == {"private.key"}


def test_other_networks_lose_nothing(joined: Two, flood: Callable[[Agent, str], EchoFlood]) -> None:
    near, far = joined
    second = {"interface": "wg1", "port": 51900, "key": "second.key", "name": "second"}
    for agent, other, own, inner in ((near, far, "10.8.0.1", "10.8.0.2"), (far, near, "10.8.0.2", "10.8.0.1")):
        here, there = (NEAR_INNER, FAR_INNER) if agent is near else (FAR_INNER, NEAR_INNER)
        first = network_to(other, here[0], there[0])
        peer = replace(
            first.peers[0],
            public_key=other.key("second.key"),
            allowed_ips=(f"{inner}/32",),
            endpoint=first.peers[0].endpoint.replace("51820", "51900"),
        )
        agent.configure(first, first.but(address=f"{own}/24", peers=(peer,), **second))
        agent.reload()
    with flood(near, "10.8.0.2") as echoes:
        new = near.ask("rotate-keys", "default")["public_key"]
        near.ask("rotate-keys", "default", "--commit")
        assert near.network()["public_key"] == new
    print(f"a rotation beside: {echoes.sent} echoes, {echoes.lost} lost")
    assert echoes.lost == 0
