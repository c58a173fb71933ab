//! Objects in files: which go there when memory runs out, where they are, and what of the files is still needed (STORE-4).
//!
//! An object that lies in a segment can be looked at by every process that has the segment mapped, without a word to the daemon. So before
//! the first object of a segment goes into a file, those processes are told to ask from now on, and say what they look at
//! (`watch`). What nobody looks at is written; once it is written, and if still nobody looks at it, its memory is given back.
//!
//! - **SPILL-STORE-1** An object is in memory, in a file, or in both, until its owner frees it or its file cannot be read; never nowhere.
//! - **SPILL-STORE-2** Memory is taken from an object only when every process that could look at it has said that it does not.
//! - **SPILL-STORE-3** A file's bytes are those of the objects in it that are needed and of those that are not; it goes with the last one that is.
//! - **SPILL-STORE-4** Files, with those that are being written, never take more than the quota.
//! - **SPILL-STORE-5** Less than half of a file that is not being written anew is waste, or the disk is full.

mod files;
mod invariants;
mod on_written;
mod plan;
mod watch;
