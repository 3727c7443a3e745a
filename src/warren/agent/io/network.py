"""One network of the agent: its state machine, and the operations that move it (tunnel/lifecycle.py).

An operation records what is wanted and wakes the network's task, which reconciles (network_reconciler.py). A lock keeps
the operations and rounds of one network apart, so that no network waits for another.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from warren._core import Device, HostChanges
from warren.agent.io.network_context import NetworkContext
from warren.agent.io.network_reconciler import NetworkReconciler
from warren.agent.network_state import NetworkState
from warren.clock import wall_seconds
from warren.errors import WarrenError
from warren.localapi.networks import NetworkView, Rotation
from warren.tunnel.desired import NetworkKeys
from warren.tunnel.lifecycle import LifecycleEvent, State
from warren.tunnel.network import NetworkConfig

log = logging.getLogger(__name__)


class Network:
    """One network. Its methods are for one event loop."""

    def __init__(self, config: NetworkConfig, context: NetworkContext) -> None:
        """Begin in state `uninitialized`; nothing happens before `connect`."""
        self.state = NetworkState(config.name)
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()
        self._reconciler = NetworkReconciler(config, self.state, context, self._wake.set)

    @property
    def config(self) -> NetworkConfig:
        """Return the configuration that is in use, or would be at the next `connect`."""
        return self._reconciler.config

    def view(self) -> NetworkView:
        """Return the network as it is at this moment."""
        sample = self._reconciler.sample()
        return NetworkView(self.state.lifecycle, sample)

    def stack_device(self) -> Device:
        """Return the device with the network's own stack. Raises StateError if it has none now."""
        return self._reconciler.stack_device()

    def on_host_changes(self, changes: HostChanges) -> None:
        """Reconcile at once if the kernel reports a change that may concern the network."""
        self._reconciler.on_host_changes(changes)

    def connect(self, config: NetworkConfig) -> None:
        """Begin to bring the network up with `config`. Raises StateError unless it is down."""
        self.state.advance(LifecycleEvent.START, wall_seconds())
        self.state.is_wanted = True
        self._reconciler.reset(config)
        self._reconciler.reset_backoff()
        self._wake.set()

    async def disconnect(self, *, keeps_policy: bool = False) -> None:
        """Take the network down; nothing of it is left when this returns, but its rules with `keeps_policy`.

        Raises StateError unless it is up or coming up. A failed network is not retried afterwards (H-38).
        """
        self.state.is_wanted = False
        self.state.advance(LifecycleEvent.STOP, wall_seconds())
        async with self._lock:
            try:
                await self._reconciler.remove(keeps_policy=keeps_policy)
            except WarrenError as error:
                self.state.fail(error, wall_seconds())
                raise
            self._reconciler.forget_keys()
            self.state.advance(LifecycleEvent.GONE, wall_seconds())
        log.info("network.down", extra={"network": self.config.name})

    def stop_retrying(self) -> None:
        """Leave a failed network in state `error`."""
        self.state.is_wanted = False

    def set_stopped_config(self, config: NetworkConfig) -> None:
        """Use `config` from the next connect or retry on; the network must not be running."""
        self._reconciler.set_stopped_config(config)

    async def wait_stopped(self) -> None:
        """Wait until a disconnect that is under way has ended."""
        if self.state.lifecycle is State.STOPPING:
            async with self._lock:
                return

    async def remove(self) -> None:
        """Take the network down for good, also if a disconnect is under way. Raises WarrenError."""
        self.state.is_wanted = False
        if self.state.is_running:
            await self.disconnect()
        await self.wait_stopped()

    async def change(self, config: NetworkConfig, keys: NetworkKeys) -> None:
        """Apply the difference to `config`. Raises WarrenError, with everything as it was.

        A network that was disconnected meanwhile stays down.
        """
        async with self._lock:
            if self._reconciler.is_applied(config, keys):
                self._wake.set()
            elif self.state.is_running:
                await self._reconciler.change(config, keys)
            else:
                self.set_stopped_config(config)

    async def rotate(self, step: str) -> Rotation:
        """Take one step of a key rotation. Raises WarrenError for a step that is not possible, with nothing changed."""
        async with self._lock:
            return await self._reconciler.rotate(step)

    async def run(self) -> None:
        """Reconcile until cancelled: whenever something woke the network, and at the latest after an interval."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._reconciler.next_wakeup()):
                    await self._wake.wait()
            self._wake.clear()
            async with self._lock:
                if self.state.is_wanted:
                    await self._reconciler.reconcile()
            await asyncio.sleep(self._reconciler.pause_seconds())
