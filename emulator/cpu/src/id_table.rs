//! Tables that find blocks of code by what they are known by.

/// What no block has for a number.
const NONE: u32 = u32::MAX;
/// The least table.
const LEAST: usize = 1 << 10;

#[derive(Clone, Copy)]
struct Slot {
    hash: u32,
    id: u32,
}

const EMPTY: Slot = Slot { hash: 0, id: NONE };

/// Numbers by the hash of what they stand for, which is the caller's to compare: eight
/// bytes a slot. Slots are tried one after the other, from where [`hash`] says.
pub struct IdTable {
    slots: Vec<Slot>,
    used: usize,
}

/// The hash of code at RAM offset `start`, with whatever else it is known by in `kind`.
/// The code of one 64-byte line is next to each other in the table.
#[inline(always)]
pub fn hash(start: u64, kind: u64) -> u32 {
    let line = (start >> 6 ^ kind.rotate_right(20)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (line >> 32) as u32 & !63 | start as u32 & 63
}

impl Default for IdTable {
    fn default() -> Self {
        Self { slots: vec![EMPTY; LEAST], used: 0 }
    }
}

impl IdTable {
    /// Where the search for a hash begins.
    #[inline(always)]
    fn home(&self, hash: u32) -> usize {
        (hash >> 3) as usize & (self.slots.len() - 1)
    }

    /// The number under `hash` that `is` says yes to.
    #[inline(always)]
    pub fn find(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = self.home(hash);
        loop {
            let slot = self.slots[at & mask];
            if slot.hash == hash && slot.id != NONE && is(slot.id) {
                return Some(slot.id);
            }
            if slot.id == NONE {
                return None;
            }
            at += 1;
        }
    }

    /// Adds a number, which is not `u32::MAX` and not there yet.
    pub fn insert(&mut self, hash: u32, id: u32) {
        // Five of eight at most are taken.
        if self.used * 8 >= self.slots.len() * 5 {
            let old = std::mem::take(&mut self.slots);
            self.slots = vec![EMPTY; old.len() * 2];
            for slot in old.into_iter().filter(|slot| slot.id != NONE) {
                self.place(slot);
            }
        }
        self.used += 1;
        self.place(Slot { hash, id });
    }

    fn place(&mut self, slot: Slot) {
        let mask = self.slots.len() - 1;
        let mut at = self.home(slot.hash);
        while self.slots[at].id != NONE {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    /// Takes a number out, if it is there.
    pub fn remove(&mut self, hash: u32, id: u32) {
        let mask = self.slots.len() - 1;
        let mut gap = self.home(hash);
        while self.slots[gap].id != id {
            if self.slots[gap].id == NONE {
                return;
            }
            gap = (gap + 1) & mask;
        }
        self.used -= 1;
        // What was placed behind only because this was taken moves up.
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let slot = self.slots[at];
            if slot.id == NONE {
                break;
            }
            let distance = |to: usize| to.wrapping_sub(self.home(slot.hash)) & mask;
            if distance(gap) < distance(at) {
                self.slots[gap] = slot;
                gap = at;
            }
        }
        self.slots[gap] = EMPTY;
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn finds_what_was_put_in_and_not_taken_out() {
        let (mut table, mut known) = (IdTable::default(), HashMap::new());
        let mut random = 1u64;
        for id in 0..20_000u32 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Few lines, so that many are in each other's way.
            let start = random >> 40 & 0x3_FFFF;
            known.entry(start).or_insert_with(|| {
                table.insert(hash(start, 2), id);
                id
            });
            let gone = random >> 20 & 0x3_FFFF;
            if let Some(id) = known.remove(&gone) {
                table.remove(hash(gone, 2), id);
            }
            assert_eq!(table.len(), known.len());
        }
        for start in 0..0x4_0000 {
            let id = known.get(&start).copied();
            assert_eq!(table.find(hash(start, 2), |found| Some(found) == id), id, "{start:#x}");
        }
        table.clear();
        assert!(table.is_empty());
    }

    #[test]
    fn of_several_with_one_hash_the_caller_chooses() {
        let mut table = IdTable::default();
        for id in 0..10 {
            table.insert(7, id);
        }
        assert_eq!(table.find(7, |id| id == 9), Some(9));
        table.remove(7, 3);
        table.remove(7, 3);
        assert_eq!((table.find(7, |id| id == 3), table.find(7, |id| id == 9)), (None, Some(9)));
        assert_eq!(table.len(), 9);
    }
}
