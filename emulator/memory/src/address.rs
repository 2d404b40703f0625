//! Address newtypes. Physical and linear addresses never mix by accident.

use std::fmt;

/// Bytes of a base page.
pub const PAGE_SIZE: u64 = 4096;
/// log2 of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 12;
/// Mask that keeps the page part of an address.
pub const PAGE_MASK: u64 = !(PAGE_SIZE - 1);

macro_rules! address_type {
    ($name:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The page that holds this address.
            #[inline(always)]
            pub const fn page(self) -> Self {
                Self(self.0 & PAGE_MASK)
            }

            /// The offset inside the page, 0 to 4095.
            #[inline(always)]
            pub const fn page_offset(self) -> u64 {
                self.0 & !PAGE_MASK
            }

            /// The address `bytes` further on, wrapping at 2^64.
            #[inline(always)]
            #[allow(clippy::should_implement_trait)]
            pub const fn add(self, bytes: u64) -> Self {
                Self(self.0.wrapping_add(bytes))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    };
}

address_type!(Gpa, "A guest physical address.");
address_type!(Gva, "A guest linear (virtual) address.");
