//! Amounts of resources in fixed point, and sets of them.
//!
//! Fixed point because ledgers add and subtract the same amounts millions of times: floats drift, units of 1/10000 do not.
#![forbid(unsafe_code)]

mod amount;
mod set;

pub use amount::{Amount, AmountError};
pub use set::ResourceSet;
