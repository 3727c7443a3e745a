//! The memory of flows: what each holds, and what is done as it gets short.

use std::time::Duration;

use super::TcpFlows;
use super::opening::MAX_BUFFER;
use crate::budget::{CRITICAL_WINDOW_BYTES, Pressure};
use crate::shared::{Alarm, Shared};
use crate::slab::Id;

/// How often flows are looked at while memory is short.
const INTERVAL: Duration = Duration::from_millis(50);

impl TcpFlows {
    /// Write the memory of a flow into the budget, and limit its buffers as the budget asks.
    pub(super) fn account(&mut self, id: Id, shared: &mut Shared) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let (peer, memory) = (flow.key.peer, flow.connection.memory());
        shared.budget.replace(peer, flow.memory, memory);
        flow.memory = memory;
        let may_grow = shared.budget.may_grow(peer);
        if may_grow != flow.may_grow {
            flow.may_grow = may_grow;
            let max = match shared.budget.pressure() {
                _ if may_grow => MAX_BUFFER,
                Pressure::Low | Pressure::High => memory.max(CRITICAL_WINDOW_BYTES),
                Pressure::Critical | Pressure::Full => CRITICAL_WINDOW_BYTES,
            };
            flow.connection.set_max_buffer(max);
        }
        let is_stalled = flow.connection.is_window_closed();
        flow.stalled_since = is_stalled.then(|| flow.stalled_since.unwrap_or(shared.now.boot));
        if !self.watches_memory && (shared.budget.pressure() >= Pressure::Critical || !self.starved.is_empty()) {
            self.watches_memory = true;
            shared.wheel.set(Alarm::Memory, shared.now.boot + INTERVAL);
        }
    }

    /// While memory is short: let flows go on that were not read, and reset those that hold it for too long, beginning
    /// with the peer that holds most.
    pub(crate) fn on_memory_alarm(&mut self, shared: &mut Shared) {
        self.watches_memory = false;
        if shared.budget.pressure() >= Pressure::Critical {
            self.reset_stalled(shared);
        }
        for id in std::mem::take(&mut self.starved) {
            self.serve(id, shared);
        }
        if !self.watches_memory && shared.budget.pressure() >= Pressure::Critical {
            self.watches_memory = true;
            shared.wheel.set(Alarm::Memory, shared.now.boot + INTERVAL);
        }
    }

    fn reset_stalled(&mut self, shared: &mut Shared) {
        let now = shared.now.boot;
        for peer in shared.budget.heaviest_first() {
            let stalled: Vec<_> = self
                .flows
                .iter()
                .filter(|(_, flow)| flow.key.peer == peer)
                .filter(|(_, flow)| flow.stalled_since.is_some_and(|since| shared.budget.may_reset(now - since)))
                .map(|(id, _)| id)
                .collect();
            for id in stalled {
                if !shared.budget.may_reset(crate::budget::STALLED) {
                    return;
                }
                if let Some(flow) = self.flows.get_mut(id) {
                    flow.reset();
                }
                self.serve(id, shared);
            }
        }
    }
}
