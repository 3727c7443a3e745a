//! Allowed IPs: cryptokey routing (section 2), as a path-compressed binary trie.
//!
//! A prefix belongs to one peer; the longest prefix that contains an address decides. Addresses of both families have
//! 128 bits here, IPv4 at the top, and each family has its own root. Nodes are stored in one vector and refer to each
//! other by index; the prefixes of one peer form a list through the nodes, in the order in which they were added.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::peerid::PeerId;

const NONE: u32 = u32::MAX;

/// The peers by the addresses that belong to them.
#[derive(Default)]
pub(crate) struct AllowedIps {
    nodes: Vec<Node>,
    free: Vec<u32>,
    roots: Roots,
}

struct Roots {
    v4: u32,
    v6: u32,
}

impl Default for Roots {
    fn default() -> Self {
        Self { v4: NONE, v6: NONE }
    }
}

/// The first and the last prefix of a peer.
#[derive(Clone, Copy)]
pub(crate) struct List {
    first: u32,
    last: u32,
}

impl Default for List {
    fn default() -> Self {
        Self { first: NONE, last: NONE }
    }
}

#[derive(Clone)]
struct Node {
    bits: u128,
    length: u8,
    v6: bool,
    /// `None` for a node that only joins two branches.
    owner: Option<PeerId>,
    children: [u32; 2],
    parent: u32,
    previous: u32,
    next: u32,
}

/// Return the bits from the top, and whether they are of IPv6.
fn key_of(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, false),
        IpAddr::V6(address) => (address.to_bits(), true),
    }
}

fn mask(bits: u128, length: u8) -> u128 {
    if length == 0 { 0 } else { bits & (u128::MAX << (128 - u32::from(length))) }
}

fn bit(bits: u128, at: u8) -> usize {
    (bits >> (127 - u32::from(at))) as usize & 1
}

impl Node {
    fn holds(&self, bits: u128, length: u8) -> bool {
        self.length <= length && mask(bits, self.length) == self.bits
    }

    fn prefix(&self) -> Option<IpNet> {
        let address =
            if self.v6 { IpAddr::V6(self.bits.into()) } else { IpAddr::V4(((self.bits >> 96) as u32).into()) };
        IpNet::new(address, self.length).ok()
    }
}

impl AllowedIps {
    /// Return the peer that `address` belongs to: an outgoing destination, or an incoming source.
    pub(crate) fn lookup(&self, address: IpAddr) -> Option<PeerId> {
        let (bits, v6) = key_of(address);
        let (mut at, mut found) = (*self.root(v6), None);
        while let Some(node) = self.nodes.get(at as usize).filter(|node| node.holds(bits, 128)) {
            found = node.owner.or(found);
            if node.length == 128 {
                break;
            }
            at = node.children[bit(bits, node.length)];
        }
        found
    }

    /// Assign `prefix`, its host bits cleared, to `peer`, whose list is `lists(peer)`, and remove it from its former
    /// owner.
    pub(crate) fn add(&mut self, prefix: IpNet, peer: PeerId, lists: &mut impl Lists) {
        let at = self.place(prefix);
        if self.nodes[at as usize].owner == Some(peer) {
            return;
        }
        self.unlink(at, lists);
        self.link(at, peer, lists);
    }

    /// Remove `prefix` if it belongs to `peer`.
    pub(crate) fn remove(&mut self, prefix: IpNet, peer: PeerId, lists: &mut impl Lists) {
        let ((bits, v6), length) = (key_of(prefix.trunc().addr()), prefix.prefix_len());
        let mut at = *self.root(v6);
        while let Some(node) = self.nodes.get(at as usize).filter(|node| node.holds(bits, length)) {
            if node.length == length {
                if node.owner == Some(peer) {
                    self.unlink(at, lists);
                    self.prune(at);
                }
                return;
            }
            at = node.children[bit(bits, node.length)];
        }
    }

    /// Remove every prefix of `peer`.
    pub(crate) fn remove_all(&mut self, peer: PeerId, lists: &mut impl Lists) {
        loop {
            let first = lists.list(peer).first;
            if first == NONE {
                return;
            }
            self.unlink(first, lists);
            self.prune(first);
        }
    }

    /// Return the prefixes of a list, oldest first.
    pub(crate) fn prefixes(&self, list: List) -> impl Iterator<Item = IpNet> {
        let mut at = list.first;
        std::iter::from_fn(move || {
            let node = self.nodes.get(at as usize)?;
            at = node.next;
            Some(node)
        })
        .filter_map(Node::prefix)
    }

    fn root(&self, v6: bool) -> &u32 {
        if v6 { &self.roots.v6 } else { &self.roots.v4 }
    }

    /// Return the node of exactly `prefix`, created if it is missing.
    fn place(&mut self, prefix: IpNet) -> u32 {
        let ((bits, v6), length) = (key_of(prefix.trunc().addr()), prefix.prefix_len());
        let (mut parent, mut at) = (NONE, *self.root(v6));
        while let Some(node) = self.nodes.get(at as usize).filter(|node| node.holds(bits, length)) {
            if node.length == length {
                return at;
            }
            (parent, at) = (at, node.children[bit(bits, node.length)]);
        }
        let leaf = self.make(bits, length, v6);
        let Some(below) = self.nodes.get(at as usize) else {
            self.attach(parent, leaf, v6);
            return leaf;
        };
        let common = (bits ^ below.bits).leading_zeros().min(u32::from(length.min(below.length))) as u8;
        if common == length {
            self.attach(parent, leaf, v6);
            self.attach(leaf, at, v6);
        } else {
            let fork = self.make(mask(bits, common), common, v6);
            self.attach(parent, fork, v6);
            self.attach(fork, at, v6);
            self.attach(fork, leaf, v6);
        }
        leaf
    }

    fn make(&mut self, bits: u128, length: u8, v6: bool) -> u32 {
        let node =
            Node { bits, length, v6, owner: None, children: [NONE; 2], parent: NONE, previous: NONE, next: NONE };
        if let Some(at) = self.free.pop() {
            self.nodes[at as usize] = node;
            return at;
        }
        self.nodes.push(node);
        (self.nodes.len() - 1) as u32
    }

    /// Attach `child` to `parent`, or to the root.
    fn attach(&mut self, parent: u32, child: u32, v6: bool) {
        let bits = self.nodes[child as usize].bits;
        self.nodes[child as usize].parent = parent;
        match self.nodes.get_mut(parent as usize) {
            Some(node) => node.children[bit(bits, node.length)] = child,
            None if v6 => self.roots.v6 = child,
            None => self.roots.v4 = child,
        }
    }

    /// Remove the node `at`, and then its parents, while they neither own a prefix nor join branches.
    fn prune(&mut self, mut at: u32) {
        while let Some(node) = self.nodes.get(at as usize) {
            let child = match (node.owner, node.children) {
                (None, [NONE, child] | [child, NONE]) => child,
                _ => return,
            };
            let (parent, v6) = (node.parent, node.v6);
            if child != NONE {
                self.nodes[child as usize].parent = parent;
            }
            match self.nodes.get_mut(parent as usize) {
                Some(above) => above.children[usize::from(above.children[1] == at)] = child,
                None if v6 => self.roots.v6 = child,
                None => self.roots.v4 = child,
            }
            self.free.push(at);
            at = parent;
        }
    }

    fn link(&mut self, at: u32, peer: PeerId, lists: &mut impl Lists) {
        let list = lists.list(peer);
        let last = list.last;
        list.last = at;
        if last == NONE {
            list.first = at;
        } else {
            self.nodes[last as usize].next = at;
        }
        let node = &mut self.nodes[at as usize];
        (node.owner, node.previous, node.next) = (Some(peer), last, NONE);
    }

    fn unlink(&mut self, at: u32, lists: &mut impl Lists) {
        let node = &mut self.nodes[at as usize];
        let Some(owner) = node.owner.take() else { return };
        let (previous, next) = (node.previous, node.next);
        let list = lists.list(owner);
        match self.nodes.get_mut(previous as usize) {
            Some(before) => before.next = next,
            None => list.first = next,
        }
        match self.nodes.get_mut(next as usize) {
            Some(after) => after.previous = previous,
            None => list.last = previous,
        }
    }
}

/// The storage of the list heads of the peers.
pub(crate) trait Lists {
    /// Return the list of an existing peer.
    fn list(&mut self, peer: PeerId) -> &mut List;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::net::{Ipv4Addr, Ipv6Addr};

    struct Heads(HashMap<PeerId, List>);
    impl Lists for Heads {
        fn list(&mut self, peer: PeerId) -> &mut List {
            self.0.entry(peer).or_default()
        }
    }

    /// Few distinct bits, so that prefixes nest and collide.
    fn prefixes() -> impl Strategy<Value = IpNet> {
        (any::<bool>(), 0u32..256, 0u8..=8, any::<bool>()).prop_map(|(v6, bits, length, host)| {
            let address: IpAddr = if v6 {
                Ipv6Addr::from_bits(u128::from(bits) << 120).into()
            } else {
                Ipv4Addr::from_bits(bits << 24).into()
            };
            let full = if v6 { 128 } else { 32 };
            IpNet::new(address, if host { full } else { length }).unwrap()
        })
    }

    #[derive(Debug, Clone)]
    enum Step {
        Add(IpNet, u32),
        Remove(IpNet, u32),
        RemoveAll(u32),
    }

    fn steps() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (prefixes(), 0u32..4).prop_map(|(prefix, peer)| Step::Add(prefix, peer)),
            3 => (prefixes(), 0u32..4).prop_map(|(prefix, peer)| Step::Remove(prefix, peer)),
            1 => (0u32..4).prop_map(Step::RemoveAll),
        ]
    }

    proptest! {
        #[test]
        fn the_trie_agrees_with_a_plain_list(steps in prop::collection::vec(steps(), 1..120)) {
            let (mut table, mut heads) = (AllowedIps::default(), Heads(HashMap::new()));
            let mut model: Vec<(IpNet, PeerId)> = Vec::new();
            for step in steps {
                match step {
                    Step::Add(prefix, peer) => {
                        table.add(prefix, PeerId(peer), &mut heads);
                        let entry = (prefix.trunc(), PeerId(peer));
                        if !model.contains(&entry) {
                            model.retain(|(had, _)| *had != entry.0);
                            model.push(entry);
                        }
                    }
                    Step::Remove(prefix, peer) => {
                        table.remove(prefix, PeerId(peer), &mut heads);
                        model.retain(|entry| *entry != (prefix.trunc(), PeerId(peer)));
                    }
                    Step::RemoveAll(peer) => {
                        table.remove_all(PeerId(peer), &mut heads);
                        model.retain(|(_, owner)| *owner != PeerId(peer));
                    }
                }
                for peer in (0..4).map(PeerId) {
                    let expected: Vec<_> = model.iter().filter(|(_, owner)| *owner == peer).map(|(prefix, _)| *prefix).collect();
                    prop_assert_eq!(table.prefixes(*heads.list(peer)).collect::<Vec<_>>(), expected);
                }
                for address in (0u32..256).map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits << 24)))
                    .chain((0u128..256).map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits << 120)))) {
                    let expected = model.iter().filter(|(prefix, _)| prefix.contains(&address))
                        .max_by_key(|(prefix, _)| prefix.prefix_len()).map(|(_, peer)| *peer);
                    prop_assert_eq!(table.lookup(address), expected);
                }
            }
            let live = table.nodes.len() - table.free.len();
            prop_assert!(live <= 2 * model.len(), "{} nodes for {} prefixes", live, model.len());
        }
    }
}
