//! Up to sixteen packets, processed together.

use std::cmp::Reverse;

use crate::aead::Aead;
use crate::lockstep;
use crate::packet::{Entry, Opened, Packet};
use crate::path::Path;
use crate::plan::{BATCH, Form, next_group};
use crate::single;

impl Aead {
    /// Seal packets in place, sixteen at a time, without allocating. The time may depend on the number and the lengths
    /// of the packets, but not on their texts and keys.
    pub fn seal<'a>(self, packets: impl IntoIterator<Item = Packet<'a>>) {
        let packets = packets.into_iter();
        if self.path() == Path::Ring {
            return packets.for_each(single::seal);
        }
        let mut packets = packets.fuse();
        let few = [packets.next(), packets.next()].into_iter().flatten();
        // To group one packet or two would take a tenth of their time.
        let Some(third) = packets.next() else { return few.for_each(single::seal) };
        let mut packets = few.chain([third]).chain(packets);
        let mut batch = Batch::new();
        while batch.fill(&mut packets) {
            batch.seal(self);
        }
    }

    /// Open packets in place, sixteen at a time, without allocating. `opened` receives each in order, and its text only
    /// if its tag is valid; a forged packet does not affect the others.
    pub fn open<'a>(self, packets: impl IntoIterator<Item = Packet<'a>>, mut opened: impl FnMut(Opened<'a>)) {
        let packets = packets.into_iter();
        if self.path() == Path::Ring {
            return packets.for_each(|packet| opened(open_alone(packet)));
        }
        let mut packets = packets.fuse();
        let few = [packets.next(), packets.next()].into_iter().flatten();
        // To group one packet or two would take a tenth of their time.
        let Some(third) = packets.next() else { return few.for_each(|packet| opened(open_alone(packet))) };
        let mut packets = few.chain([third]).chain(packets);
        let mut batch = Batch::new();
        while batch.fill(&mut packets) {
            batch.open(self, &mut opened);
        }
    }
}

fn open_alone(packet: Packet<'_>) -> Opened<'_> {
    Opened { nonce: packet.nonce, text: single::open(packet) }
}

/// Up to [`BATCH`] packets.
pub(crate) struct Batch<'a> {
    /// The first `count` are present.
    entries: [Option<Entry<'a>>; BATCH],
    count: usize,
    /// Whether the packets were added in descending order of length, as a GSO batch with a shorter last packet.
    sorted_desc: bool,
}

impl<'a> Batch<'a> {
    /// Return an empty batch.
    pub(crate) fn new() -> Self {
        Self { entries: [const { None }; BATCH], count: 0, sorted_desc: true }
    }

    /// Replace the packets by the next ones; false if there are no more.
    pub(crate) fn fill(&mut self, packets: &mut impl Iterator<Item = Packet<'a>>) -> bool {
        (self.count, self.sorted_desc) = (0, true);
        let mut before = usize::MAX;
        for (entry, packet) in self.entries.iter_mut().zip(packets) {
            self.sorted_desc &= packet.text.len() <= before;
            before = packet.text.len();
            *entry = Some(Entry { packet, place: self.count, authentic: false });
            self.count += 1;
        }
        self.count > 0
    }

    /// Seal every packet.
    pub(crate) fn seal(&mut self, aead: Aead) {
        self.groups(aead, |form, group| match form {
            Form::Single => group.iter_mut().flatten().for_each(|entry| single::seal_in_place(&mut entry.packet)),
            _ => {
                let tags = lockstep::process::<true>(aead, form, group);
                for (entry, tag) in group.iter_mut().flatten().zip(tags) {
                    *entry.packet.tag = tag;
                }
            }
        });
    }

    /// Open every packet and report each in order, with its text if it is authentic.
    pub(crate) fn open(&mut self, aead: Aead, opened: &mut impl FnMut(Opened<'a>)) {
        self.groups(aead, |form, group| match form {
            Form::Single => {
                group.iter_mut().flatten().for_each(|entry| entry.authentic = single::open_in_place(&mut entry.packet));
            }
            _ => {
                let tags = lockstep::process::<false>(aead, form, group);
                group.iter_mut().flatten().zip(tags).for_each(|(entry, tag)| entry.check_tag(&tag));
            }
        });
        if !self.sorted_desc {
            self.entries[..self.count].sort_unstable_by_key(|entry| entry.as_ref().map(|entry| entry.place));
        }
        for Entry { packet, authentic, .. } in self.entries[..self.count].iter_mut().filter_map(Option::take) {
            opened(Opened { nonce: packet.nonce, text: authentic.then_some(packet.text) });
        }
    }

    /// Process the packets in groups, the longest first.
    fn groups(&mut self, aead: Aead, mut work: impl FnMut(Form, &mut [Option<Entry<'a>>])) {
        let length = |entry: &Option<Entry<'a>>| entry.as_ref().map(|entry| entry.packet.text.len());
        if !self.sorted_desc {
            self.entries[..self.count].sort_unstable_by_key(|entry| Reverse(length(entry)));
        }
        let mut rest = &mut self.entries[..self.count];
        while !rest.is_empty() {
            let (form, count) = next_group(aead.path(), rest.iter().filter_map(length));
            let (group, later) = rest.split_at_mut(count);
            work(form, group);
            rest = later;
        }
    }
}
