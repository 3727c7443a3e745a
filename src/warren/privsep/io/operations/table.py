"""The closed list of what the helper does."""

from __future__ import annotations

from warren.privsep.io.operations.config_file import OPEN_CONFIG
from warren.privsep.io.operations.control_socket import REMOVE_SOCKET
from warren.privsep.io.operations.dns import APPLY_DNS, GET_HOST_DNS, RECOVER_DNS, REVERT_DNS, VERIFY_DNS
from warren.privsep.io.operations.exit_node import APPLY_EXIT, CHECK_EXIT, RECOVER_EXITS, REVERT_EXIT
from warren.privsep.io.operations.key_files import OPEN_KEY, ROTATE_KEY
from warren.privsep.io.operations.runner import OPEN_RUNNER
from warren.privsep.io.operations.tun import OPEN_TUN
from warren.privsep.operation import operation_table

ROWS = (
    OPEN_CONFIG,
    OPEN_KEY,
    ROTATE_KEY,
    OPEN_TUN,
    APPLY_DNS,
    VERIFY_DNS,
    REVERT_DNS,
    RECOVER_DNS,
    GET_HOST_DNS,
    APPLY_EXIT,
    CHECK_EXIT,
    REVERT_EXIT,
    RECOVER_EXITS,
    REMOVE_SOCKET,
)
HELPER_OPERATIONS = operation_table(*ROWS)
FORKED_HELPER_OPERATIONS = operation_table(*ROWS, OPEN_RUNNER)
"""The operations of a helper that root's agent forked. Where the helper is a unit, the runner is one too."""
