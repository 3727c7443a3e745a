"""Bring an interface up, whole or not at all."""

from __future__ import annotations

from warren._core import Netlink
from warren.errors import InterfaceError
from warren.tunnel.config import InterfaceConfig
from warren.tunnel.io.apply import Engine, apply_steps
from warren.tunnel.io.observe import find_link, socket_path
from warren.tunnel.io.policy import CHOICE_OF_MARK, active_marks, remove_stale_policy, with_policy
from warren.tunnel.plan import plan
from warren.tunnel.routes import policy_table


def bring_up(config: InterfaceConfig, engine: Engine, netlink: Netlink) -> None:
    """Create the interface; after an error everything created before it is removed. Endpoints must be addresses.

    Raises InterfaceError if such an interface exists already, like wg-quick: a second `up` is more often a mistake
    than a wish to change what runs.
    """
    check_free(config.name, netlink)
    remove_stale_policy(netlink)
    with CHOICE_OF_MARK:
        desired = with_policy(config, netlink)
        create, *rest = plan(desired, None)
        apply_steps([create], engine, netlink)
        active_marks.record(config.name, policy_table(desired))
        try:
            apply_steps(rest, engine, netlink)
        except BaseException:
            engine.remove()
            active_marks.record(config.name, None)
            remove_stale_policy(netlink)
            raise


def check_free(name: str, netlink: Netlink) -> None:
    """Raise InterfaceError if there is a link of that name."""
    link = find_link(name, netlink)
    if link is None:
        return
    if socket_path(name).exists():
        hint = f"take it down first: warren down {name}"
        raise InterfaceError(f"{name} is already up", code="interface.exists", hint=hint)
    problem = f"the link {name} already exists, and no userspace WireGuard serves it"
    raise InterfaceError(problem, code="interface.exists", hint="choose another name for the interface")
