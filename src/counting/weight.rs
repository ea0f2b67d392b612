//! Stored weights and their slots.

use half::{bf16, f16};

use super::kernel::Stored;
use super::radius_table::RadiusTable;

/// Operations on stored weights for the counting loops.
pub(super) trait Weight: Stored + Sync {
    fn slot(self, table: &RadiusTable) -> usize;
    fn wide(self) -> f64;
}

impl Weight for f32 {
    #[inline(always)]
    fn slot(self, table: &RadiusTable) -> usize {
        table.slot_of_bits(self.to_bits() & 0x7fff_ffff)
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Weight for f64 {
    #[inline(always)]
    fn slot(self, table: &RadiusTable) -> usize {
        table.slot_of_wide(self)
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
}

macro_rules! widened {
    ($half:ty) => {
        impl Weight for $half {
            #[inline(always)]
            fn slot(self, table: &RadiusTable) -> usize {
                f32::from(self).slot(table)
            }
            #[inline(always)]
            fn wide(self) -> f64 {
                f64::from(self)
            }
        }
    };
}
widened!(f16);
widened!(bf16);
