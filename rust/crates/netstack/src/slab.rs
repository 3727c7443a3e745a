//! A table whose entries are found by an id that no later entry has.

/// The id of an entry. After the entry was removed it refers to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    index: u32,
    generation: u32,
}

impl Id {
    /// Bits of the generation that [`Id::bits`] keeps.
    const GENERATION_BITS: u32 = 24;

    /// Return the id as a number of 56 bits.
    pub(crate) fn bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// Return the id of a number that [`Id::bits`] returned.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 & ((1 << Self::GENERATION_BITS) - 1) }
    }
}

/// A table of entries.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), free: Vec::new(), len: 0 }
    }
}

impl<T> Slab<T> {
    /// Return the number of entries.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Add an entry.
    pub(crate) fn insert(&mut self, value: T) -> Id {
        self.len += 1;
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry { generation: 0, value: None });
            self.entries.len() as u32 - 1
        });
        let entry = &mut self.entries[index as usize];
        entry.value = Some(value);
        Id { index, generation: entry.generation }
    }

    /// Remove an entry.
    pub(crate) fn remove(&mut self, id: Id) -> Option<T> {
        let entry = self.entries.get_mut(id.index as usize).filter(|entry| entry.generation == id.generation)?;
        let value = entry.value.take()?;
        entry.generation = (entry.generation + 1) & ((1 << Id::GENERATION_BITS) - 1);
        self.free.push(id.index);
        self.len -= 1;
        Some(value)
    }

    /// Return an entry.
    pub(crate) fn get(&self, id: Id) -> Option<&T> {
        self.entries.get(id.index as usize).filter(|entry| entry.generation == id.generation)?.value.as_ref()
    }

    /// Return an entry to be changed.
    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        self.entries.get_mut(id.index as usize).filter(|entry| entry.generation == id.generation)?.value.as_mut()
    }

    /// Yield the entries to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().filter_map(|entry| entry.value.as_mut())
    }

    /// Yield the entries with their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        self.entries.iter().enumerate().filter_map(|(index, entry)| {
            let id = Id { index: index as u32, generation: entry.generation };
            entry.value.as_ref().map(|value| (id, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_refers_to_nothing_after_its_entry_was_removed() {
        let mut slab = Slab::default();
        let (first, second) = (slab.insert("first"), slab.insert("second"));
        assert_eq!((slab.remove(first), slab.len()), (Some("first"), 1));
        let third = slab.insert("third");
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(first), None);
        assert_eq!((slab.get(second), slab.get(third)), (Some(&"second"), Some(&"third")));
        assert_eq!(slab.iter().collect::<Vec<_>>(), [(third, &"third"), (second, &"second")]);
        assert_eq!(Id::from_bits(third.bits()), third);
        assert!(third.bits() < 1 << 56);
    }
}
