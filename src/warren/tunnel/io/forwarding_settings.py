"""Read and write the settings of forwarding below /proc/sys/net (ip-sysctl of the kernel)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from warren.errors import HostError
from warren.tunnel.exit_journal import CONF, is_setting

SYSCTL = Path("/proc/sys/net")
FIELDS = ("forwarding", "force_forwarding", "accept_ra")


def read_settings() -> dict[str, str]:
    """Return the settings of forwarding of every link by key, and those for the whole host."""
    values: dict[str, str] = {}
    for conf in CONF.values():
        with suppress(OSError):  # without IPv6
            for link in (SYSCTL / conf).iterdir():
                for field in FIELDS:
                    with suppress(OSError):
                        values[f"{conf}/{link.name}/{field}"] = (link / field).read_text().strip()
    return values


def write_setting(key: str, value: str) -> None:
    """Write a setting; the link may have gone. Raises HostError."""
    if not is_setting(key):
        raise HostError(f"{key!r} is not a setting of forwarding", code="exit.journal_unusable")
    try:
        (SYSCTL / key).write_text(value)
    except FileNotFoundError:
        return
    except OSError as error:
        raise HostError(f"{SYSCTL / key}: {error.strerror}", code="exit.refused", errno=error.errno) from error
