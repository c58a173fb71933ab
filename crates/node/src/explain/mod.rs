//! Why a task or an object is as it is: every process that may know is asked, on every node, and what they say is told as one story.
//!
//! - `inquiry`: what was asked and who has not answered;
//! - `gather`: asking, and collecting the answers;
//! - `known`: all that was said, looked up by process and by object;
//! - `tasks`, `objects`, `unknown`: the stories, told from that alone.

mod digits;
mod gather;
mod inquiry;
mod known;
mod objects;
mod tasks;
mod telling;
mod unknown;

pub(crate) use inquiry::Inquiries;

#[cfg(test)]
mod tests;
