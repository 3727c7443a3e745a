"""Samples to judge and to count: made by hand for tables, and by hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from warren._core import PrivateKey
from warren.telemetry.conditions import Condition
from warren.telemetry.sample import Connection, NetworkSample, PeerSample

NOW = 1_700_000_000.0
PUBLIC_KEYS = [PrivateKey.generate().public_key().to_base64() for _ in range(4)]

FRESH = PeerSample("fresh", PUBLIC_KEYS[0], latest_handshake=NOW - 1)
STALE = PeerSample("stale", PUBLIC_KEYS[1], latest_handshake=NOW - 180)
QUIET = PeerSample("quiet", PUBLIC_KEYS[2], wanted=False)


def network(
    connection: Connection = Connection.CONNECTED,
    *peers: PeerSample,
    name: str = "default",
    succeeded: int = 0,
    failed: int = 0,
    **values: object,
) -> NetworkSample:
    """One network, with what a test says of it."""
    return NetworkSample(
        name,
        connection,
        interface="wg0",
        backend="userspace",
        origin="file",
        peers=peers,
        handshakes_succeeded=succeeded,
        handshakes_failed=failed,
        **values,  # type: ignore[arg-type]
    )


counts = st.integers(0, 2**64 - 1)
names = st.text(min_size=0, max_size=12)
times = st.none() | st.floats(NOW - 10_000, NOW + 10_000)
peers = st.builds(
    PeerSample,
    names,
    st.sampled_from(PUBLIC_KEYS),
    latest_handshake=times,
    rx_bytes=counts,
    tx_bytes=counts,
    wanted=st.booleans(),
    pending=st.none() | st.text(max_size=20),
    latency_seconds=st.none() | st.floats(0, 10),
    loss_rate=st.none() | st.floats(0, 1),
)
networks = st.builds(
    NetworkSample,
    names,
    st.sampled_from(Connection),
    interface=st.just("wg0"),
    backend=st.just("userspace"),
    origin=st.just("file"),
    connected_since=times,
    peers=st.lists(peers, max_size=4, unique_by=lambda peer: peer.public_key).map(tuple),
    rx_bytes=counts,
    tx_bytes=counts,
    handshakes_succeeded=counts,
    handshakes_failed=counts,
    error=st.none() | st.text(max_size=20),
    warnings=st.lists(st.builds(Condition, st.just("dns.changed"), st.text(max_size=20)), max_size=2).map(tuple),
)
agents = st.lists(networks, max_size=3, unique_by=lambda sample: sample.name)
