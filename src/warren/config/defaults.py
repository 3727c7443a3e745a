"""Where a program looks and what it is called, before any file is read (conventions of the program names)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from warren.local_client import READ_GROUP


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for one program name. Paths begin with `root` already."""

    program: str
    config: str
    keys: str
    """The directory that key files lie in."""
    socket: str
    helper_socket: str
    """Where the helper listens that is a unit of its own."""
    http_socket: str
    http_token: str
    state: str
    log: str
    user: str
    group: str
    """Who may connect to the sockets: readers in our words, in those of document 000 whoever may do all."""
    aliases: bool = False
    """Whether the documents' own names of metrics come out beside ours."""
    root: str = ""
    """What stands before every path, `/`-less at its end: `--root` of a test or a chroot."""


WARREN = Defaults(
    program="warren",
    config="/etc/warren/agent.toml",
    keys="/etc/warren",
    socket="/run/warren/agent.sock",
    helper_socket="/run/warren/helper.sock",
    http_socket="/run/warren/http.sock",
    http_token="/var/lib/warren/http.token",  # noqa: S106, a path
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
    http_socket="/run/harmony-agent/http.sock",
    http_token="/var/lib/harmony-agent/http.token",  # noqa: S106, a path
    state="/var/lib/harmony-agent",
    log="/var/log/harmony-agent",
    user="harmony-agent",
    group="harmony-agent",
    aliases=True,
)
PROGRAMS = {defaults.program: defaults for defaults in (WARREN, HARMONY_AGENT)}


def defaults_for(program: str, root: str = "") -> Defaults:
    """Those of `program`, or of `warren` where it is another name; every path below `root`, which is absolute."""
    defaults = PROGRAMS.get(program, WARREN)
    root = root.rstrip("/")
    return replace(
        defaults,
        root=root,
        config=root + defaults.config,
        keys=root + defaults.keys,
        socket=root + defaults.socket,
        helper_socket=root + defaults.helper_socket,
        http_socket=root + defaults.http_socket,
        http_token=root + defaults.http_token,
        state=root + defaults.state,
        log=root + defaults.log,
    )
