//! Lookups of this process: the addresses of a name, of both families.
//!
//! The second answer is awaited for 50 ms once the first has brought addresses (RFC 8305, section 3).

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use dns::HostName;
use dns::message::addresses::{AddressQuestion, Family, Response, parse};
use dns::order::{Destination, order};

use crate::dial::Connect;
use crate::shared::{Alarm, Shared};
use crate::slab::{Id, Slab};

/// How long the other family is awaited (RFC 8305, section 3: Resolution Delay).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);
/// Aliases that are followed over messages; a server follows those that it knows itself.
const MAX_ALIASES: usize = 8;

/// What a lookup is for.
pub(crate) enum Purpose {
    /// A stream to a target.
    Connect(Box<Connect>),
    /// A thread that waits for the addresses.
    Answer(std::sync::mpsc::SyncSender<Vec<IpAddr>>),
}

struct Lookup {
    purpose: Purpose,
    found: Vec<IpAddr>,
    /// Questions whose answers have not come.
    awaited: usize,
    aliases: usize,
    is_delayed: bool,
}

/// A question of a lookup.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    lookup: Id,
    question: AddressQuestion,
}

impl Asked {
    /// Return the message.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.question.encode(true)
    }
}

/// The lookups.
#[derive(Default)]
pub(crate) struct Lookups {
    lookups: Slab<Lookup>,
    finished: VecDeque<(Purpose, Vec<IpAddr>)>,
}

impl Lookups {
    /// Begin a lookup, and return its questions. An invalid name has no address.
    pub(crate) fn start(&mut self, name: &str, purpose: Purpose, random: impl Fn() -> u16) -> Vec<Asked> {
        let Ok(name) = name.parse::<HostName>() else {
            self.finished.push_back((purpose, Vec::new()));
            return Vec::new();
        };
        let families = [Family::V6, Family::V4];
        let lookup = self.lookups.insert(Lookup {
            purpose,
            found: Vec::new(),
            awaited: families.len(),
            aliases: 0,
            is_delayed: false,
        });
        let question = |family| AddressQuestion { id: random(), name: name.clone(), family };
        families.map(|family| Asked { lookup, question: question(family) }).into()
    }

    /// Process an answer, and return the question that follows it: an alias is asked for in turn.
    pub(crate) fn receive(
        &mut self,
        asked: Asked,
        octets: &[u8],
        random: impl Fn() -> u16,
        shared: &mut Shared,
    ) -> Option<Asked> {
        let lookup = self.lookups.get_mut(asked.lookup)?;
        match parse(octets, &asked.question) {
            Ok(Response::Addresses(addresses)) => lookup.found.extend(addresses),
            Ok(Response::Alias(name)) if lookup.aliases < MAX_ALIASES => {
                lookup.aliases += 1;
                let question = AddressQuestion { id: random(), name, ..asked.question };
                return Some(Asked { question, ..asked });
            }
            // There is no such name, or its servers have failed; no others are asked.
            _ => {}
        }
        lookup.awaited -= 1;
        if lookup.awaited == 0 {
            self.finish(asked.lookup, shared);
        } else if !lookup.found.is_empty() && !std::mem::replace(&mut lookup.is_delayed, true) {
            shared.wheel.set(Alarm::Lookup(asked.lookup), shared.now.boot + RESOLUTION_DELAY);
        }
        None
    }

    /// End a lookup with the addresses that were found.
    pub(crate) fn finish(&mut self, id: Id, shared: &Shared) {
        let Some(lookup) = self.lookups.remove(id) else { return };
        let destination =
            |address: &IpAddr| Destination { address: *address, source: shared.own_address(address.is_ipv6()) };
        let addresses = order(&lookup.found.iter().map(destination).collect::<Vec<_>>());
        self.finished.push_back((lookup.purpose, addresses));
    }

    /// Take a lookup that has ended, with the addresses in the order in which to try them.
    pub(crate) fn take_finished(&mut self) -> Option<(Purpose, Vec<IpAddr>)> {
        self.finished.pop_front()
    }
}
