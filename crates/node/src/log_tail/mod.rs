//! What workers print, on its way to the driver.

mod lines;
mod publish;

pub(crate) use lines::LineStream;
