"""The paths, user and group of each program name, before any file is read."""

from __future__ import annotations

from dataclasses import dataclass, replace

from warren.local_client import READ_GROUP


@dataclass(frozen=True, slots=True)
class Defaults:
    """The defaults of one program name. Every path already begins with `root`."""

    program: str
    config: str
    keys: str
    """The directory of key files."""
    socket: str
    helper_socket: str
    """The socket of the helper that has its own unit."""
    runner_socket: str
    """The socket of the runner that has its own unit."""
    http_socket: str
    http_token: str
    http_admin_token: str
    state: str
    log: str
    user: str
    group: str
    """The group that may connect to the sockets: read-only for `warren`, with full control for `harmony-agent`."""
    aliases: bool = False
    """True to export metrics under the names of the other interfaces too."""
    root: str = ""
    """The directory put before every path (`--root`), without a slash at its end."""


WARREN = Defaults(
    program="warren",
    config="/etc/warren/agent.toml",
    keys="/etc/warren",
    socket="/run/warren/agent.sock",
    helper_socket="/run/warren/helper.sock",
    runner_socket="/run/warren/runner.sock",
    http_socket="/run/warren/http.sock",
    http_token="/var/lib/warren/http/token",  # noqa: S106, a path
    http_admin_token="/var/lib/warren/http/admin-token",  # noqa: S106, a path
    state="/var/lib/warren",
    log="/var/log/warren",
    user="warren",
    group=READ_GROUP,
)
HARMONY_AGENT = Defaults(
    program="harmony-agent",
    config="/etc/harmony-agent/config.toml",
    keys="/etc/harmony-agent",
    socket="/var/run/harmony-agent.sock",
    helper_socket="/run/harmony-agent/helper.sock",
    runner_socket="/run/harmony-agent/runner.sock",
    http_socket="/run/harmony-agent/http.sock",
    http_token="/var/lib/harmony-agent/http/token",  # noqa: S106, a path
    http_admin_token="/var/lib/harmony-agent/http/admin-token",  # noqa: S106, a path
    state="/var/lib/harmony-agent",
    log="/var/log/harmony-agent",
    user="harmony-agent",
    group="harmony-agent",
    aliases=True,
)
PROGRAMS = {defaults.program: defaults for defaults in (WARREN, HARMONY_AGENT)}


def defaults_for(program: str, root: str = "") -> Defaults:
    """Return the defaults of `program`, or of `warren` for another name, with every path below `root`."""
    defaults = PROGRAMS.get(program, WARREN)
    root = root.rstrip("/")
    return replace(
        defaults,
        root=root,
        config=root + defaults.config,
        keys=root + defaults.keys,
        socket=root + defaults.socket,
        helper_socket=root + defaults.helper_socket,
        runner_socket=root + defaults.runner_socket,
        http_socket=root + defaults.http_socket,
        http_token=root + defaults.http_token,
        http_admin_token=root + defaults.http_admin_token,
        state=root + defaults.state,
        log=root + defaults.log,
    )
