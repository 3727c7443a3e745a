"""The list that runs against wireguard-go, against Linux's own WireGuard: both roles, and a network that loses.

And whole agents, with their networks on it.
"""

from __future__ import annotations

import pytest

from .suite import FILES, Suite

pytestmark = [
    pytest.mark.integration,
    pytest.mark.qemu,
    pytest.mark.needs("busybox", "dpkg-deb", "ldd", "qemu-system-x86_64", "setpriv"),
    pytest.mark.needs("iperf3", "ip", "nft", "nsenter", "ping", "socat", "ss", "tc", "unshare", "wg"),
    pytest.mark.needs("journalctl", "systemctl", "systemd-sysusers", "systemd-tmpfiles"),
    pytest.mark.timeout(4000),  # the first waits for all others, and the bound of the whole run comes later
]


@pytest.mark.parametrize("file", FILES)
def test_with_the_kernel_at_the_far_end(suite: Suite, file: str) -> None:
    verdicts = suite.verdicts(file)
    failed = [verdict for verdict in verdicts if verdict.outcome == "failed"]
    assert not failed, "\n\n".join(f"{verdict.test}\n{verdict.text}" for verdict in failed)
    for verdict in verdicts:
        if verdict.outcome == "skipped":
            pytest.skip(verdict.text)
