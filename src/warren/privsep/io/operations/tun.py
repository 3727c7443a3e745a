"""Open the TUN driver, with which the agent makes one link."""

from __future__ import annotations

import os
from dataclasses import dataclass

from warren.privsep.io.helper_state import HelperState
from warren.privsep.operation import DESCRIPTOR, Operation

TUN = "/dev/net/tun"


@dataclass(frozen=True, slots=True)
class OpenTun:
    """Open the TUN driver."""


def open_tun(_: HelperState, __: OpenTun) -> int:
    """Return a descriptor of the driver. Raises OSError."""
    return os.open(TUN, os.O_RDWR | getattr(os, "O_NONBLOCK", 0))


OPEN_TUN = Operation(OpenTun, {}, open_tun, DESCRIPTOR)
