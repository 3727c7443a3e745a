//! Values by prefix, in one sorted array for each family.
//!
//! Prefixes either nest or are disjoint. In the order of (first address, length) the last row that is not behind an
//! address lies within every prefix that contains the address. So a binary search finds that row, and the links to the
//! enclosing rows lead through all that contain it: 20 steps and at most one for each length.

use std::net::IpAddr;

use ipnet::IpNet;

const NONE: u32 = u32::MAX;

/// A table that is built once and then looked up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prefixes<V> {
    v4: Vec<Row<V>>,
    v6: Vec<Row<V>>,
}

#[derive(Debug, Clone)]
struct Row<V> {
    /// The first address, IPv4 at the top.
    bits: u128,
    length: u8,
    /// The index of the smallest prefix around this one.
    parent: u32,
    value: V,
}

impl<V> Row<V> {
    fn holds(&self, bits: u128, length: u8) -> bool {
        self.length <= length && (self.length == 0 || (self.bits ^ bits) >> (128 - u32::from(self.length)) == 0)
    }
}

/// Return the bits from the top.
fn key(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl<V> Prefixes<V> {
    /// Build a table; `join` merges the value of a prefix that is given again into the first one.
    pub(crate) fn build(entries: impl IntoIterator<Item = (IpNet, V)>, join: impl Fn(&mut V, V)) -> Self {
        let mut table = Self { v4: Vec::new(), v6: Vec::new() };
        for (prefix, value) in entries {
            let prefix = prefix.trunc();
            let rows = if prefix.addr().is_ipv4() { &mut table.v4 } else { &mut table.v6 };
            rows.push(Row { bits: key(prefix.addr()), length: prefix.prefix_len(), parent: NONE, value });
        }
        Self { v4: nest(table.v4, &join), v6: nest(table.v6, &join) }
    }

    /// Yield the length and the value of each prefix that contains an address, the longest first.
    pub(crate) fn containing(&self, address: IpAddr) -> impl Iterator<Item = (u8, &V)> {
        let (rows, full) = if address.is_ipv4() { (&self.v4, 32) } else { (&self.v6, 128) };
        let bits = key(address);
        let behind = rows.partition_point(|row| (row.bits, row.length) <= (bits, full));
        let mut at = (behind as u32).wrapping_sub(1);
        std::iter::from_fn(move || {
            let row = rows.get(at as usize)?;
            at = row.parent;
            Some(row)
        })
        .filter(move |row| row.holds(bits, full))
        .map(|row| (row.length, &row.value))
    }

    /// Yield every value, to be changed in place.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.v4.iter_mut().chain(&mut self.v6).map(|row| &mut row.value)
    }

    /// Return whether a prefix contains an address.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.containing(address).next().is_some()
    }

    /// Return whether there is no prefix.
    pub(crate) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

/// Sort rows, merge equal prefixes and link each row to the smallest one around it.
fn nest<V>(mut rows: Vec<Row<V>>, join: &impl Fn(&mut V, V)) -> Vec<Row<V>> {
    rows.sort_by_key(|row| (row.bits, row.length));
    let mut nested: Vec<Row<V>> = Vec::with_capacity(rows.len());
    for mut row in rows {
        let mut parent = (nested.len() as u32).wrapping_sub(1);
        while let Some(around) = nested.get(parent as usize).filter(|around| !around.holds(row.bits, row.length)) {
            parent = around.parent;
        }
        match nested.get_mut(parent as usize).filter(|same| (same.bits, same.length) == (row.bits, row.length)) {
            Some(same) => join(&mut same.value, row.value),
            None => {
                row.parent = parent;
                nested.push(row);
            }
        }
    }
    nested
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    /// Few distinct bits, so that prefixes nest and collide.
    fn prefixes() -> impl Strategy<Value = IpNet> {
        (any::<bool>(), 0u32..256, 0u8..=8, any::<bool>()).prop_map(|(v6, bits, length, host)| {
            let full = if v6 { 128 } else { 32 };
            IpNet::new(address(v6, bits), if host { full } else { length }).unwrap()
        })
    }

    fn address(v6: bool, bits: u32) -> IpAddr {
        if v6 { Ipv6Addr::from_bits(u128::from(bits) << 120).into() } else { Ipv4Addr::from_bits(bits << 24).into() }
    }

    proptest! {
        #[test]
        fn a_lookup_agrees_with_a_plain_list(entries in prop::collection::vec(prefixes(), 0..60), v6: bool) {
            let values = entries.iter().enumerate().map(|(number, prefix)| (*prefix, vec![number]));
            let table = Prefixes::build(values, |all: &mut Vec<usize>, more| all.extend(more));
            prop_assert_eq!(table.is_empty(), entries.is_empty());
            for bits in 0..256 {
                let address = address(v6, bits);
                let found: Vec<_> = table.containing(address).collect();
                prop_assert!(found.is_sorted_by(|(a, _), (b, _)| a > b));
                let mut numbers: Vec<usize> = found.iter().flat_map(|(_, all)| (*all).clone()).collect();
                numbers.sort_unstable();
                let expected: Vec<usize> =
                    (0..entries.len()).filter(|number| entries[*number].contains(&address)).collect();
                prop_assert_eq!(table.contains(address), !expected.is_empty());
                prop_assert_eq!(numbers, expected);
            }
        }
    }

    #[test]
    fn a_search_among_many_prefixes_visits_only_those_that_enclose_its_row() {
        let nets = (0..50_000u32).map(|number| IpNet::new(Ipv4Addr::from_bits(number << 12).into(), 24).unwrap());
        let table = Prefixes::build(nets.map(|net| (net, ())), |(), ()| ());
        let depth = |at: u32| std::iter::successors(table.v4.get(at as usize), |row| table.v4.get(row.parent as usize));
        let deepest = (0..table.v4.len() as u32).map(|at| depth(at).count()).max();
        assert_eq!((table.v4.len(), deepest), (50_000, Some(1)));
    }
}
