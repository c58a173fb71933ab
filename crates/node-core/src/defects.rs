//! Rules that a test takes away, to see that the simulator notices. All are off in a program that works.

use crate::Node;

/// Planted defects.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub struct NodeDefects {
    /// MEM-1: a limit stays when its lease has ended.
    pub limits_kept: bool,
    /// MEM-2: another worker is ended while one is being ended.
    pub many_victims: bool,
    /// MEM-3: workers without a lease are ended for memory.
    pub idle_victims: bool,
    /// FAIR-2: a lease that goes back already is asked back for another job.
    pub asks_twice: bool,
    /// FAIR-2: a job falls behind with what no other is ahead with.
    pub shares_uneven: bool,
}

impl Node {
    /// Plants defects.
    #[doc(hidden)]
    pub fn set_defects(&mut self, defects: NodeDefects) {
        self.defects = defects;
    }
}
