//! Which parts of a copy are here, from the moment its room is found until it is complete or given up, over all fetches into it.
//!
//! Whoever has a room can be asked for the object at once: it sends on what is here, and waits for the rest as long as something comes.
//!
//! - **PULL-6** Bytes are sent on as the object's only when one fetch brought them and its source still had the object afterwards: a span that
//!   failed has another generation from then on, and whoever sent some of its bytes before says so.
//! - **PULL-7** Nobody waits for ever: a room into which nothing came for a while is no source, and neither is one that was given up.

use crate::pulls::defects::ChunkDefects;

/// What is checked, sent on and written at once.
pub const CHUNK_BYTES: u64 = 1 << 20;
/// What one request asks for: a multiple of the chunk. Small enough that four streams share an object of 100 MB evenly and that little is lost
/// when one breaks; large enough that the questions between cost nothing.
pub const SPAN_BYTES: u64 = 8 << 20;
/// A room into which nothing came for so long does not keep others waiting. Longer than a broken stream stays unnoticed (10 s), so that the one
/// next to a fault finds another source before those behind it lose patience.
const PATIENCE_MS: u64 = 20_000;

/// What is known of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Chunk {
    Missing,
    /// Its bytes are here; whether the source still had the object when it sent them is not known yet.
    Here,
    Verified,
}

/// What whoever sends a chunk on has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// It is here.
    Ready,
    /// It is on its way.
    Coming,
    /// The span began anew meanwhile; what was sent of it does not count (PULL-6).
    Renewed,
    /// It does not come (PULL-7).
    Never,
}

/// The parts of one copy.
#[derive(Debug)]
pub struct Chunks {
    size_bytes: u64,
    chunks: Vec<Chunk>,
    /// How often each span failed.
    generations: Vec<u32>,
    /// When the last chunk came, or the room was found.
    moved_ms: u64,
    end: Option<bool>,
    defects: ChunkDefects,
}

fn index(bytes: u64, unit: u64) -> usize {
    (bytes / unit) as usize
}

impl Chunks {
    /// Room in which nothing is yet.
    pub fn new(size_bytes: u64, now_ms: u64) -> Self {
        Self {
            size_bytes,
            chunks: vec![Chunk::Missing; index(size_bytes.next_multiple_of(CHUNK_BYTES), CHUNK_BYTES)],
            generations: vec![0; index(size_bytes.next_multiple_of(SPAN_BYTES), SPAN_BYTES).max(1)],
            moved_ms: now_ms,
            end: None,
            defects: ChunkDefects::default(),
        }
    }

    /// Takes rules away; for the simulator.
    #[doc(hidden)]
    pub fn set_defects(&mut self, defects: ChunkDefects) {
        self.defects = defects;
    }

    /// Where a span begins and ends, in bytes.
    pub fn span_range(&self, span: u64) -> (u64, u64) {
        let end = span.saturating_add(1).saturating_mul(SPAN_BYTES);
        (span.saturating_mul(SPAN_BYTES).min(self.size_bytes), end.min(self.size_bytes))
    }

    /// The spans that a fetch has to bring. An empty object has one, so that its source is asked all the same.
    pub fn missing_spans(&self) -> Vec<u64> {
        let spans = 0..self.generations.len() as u64;
        spans.filter(|span| self.size_bytes == 0 || !self.is_at_least(*span, Chunk::Verified)).collect()
    }

    /// The chunk that begins there is here.
    pub fn note(&mut self, start_bytes: u64, now_ms: u64) {
        if let Some(chunk) = self.chunks.get_mut(index(start_bytes, CHUNK_BYTES)) {
            *chunk = Chunk::Here;
            self.moved_ms = now_ms;
        }
    }

    /// The source still had the object after it sent this span.
    pub fn verify(&mut self, span: u64) {
        self.set(span, Chunk::Verified);
    }

    /// The fetch of a span came to nothing: it is fetched again from its beginning.
    pub fn fail(&mut self, span: u64) {
        if self.is_at_least(span, Chunk::Verified) {
            return;
        }
        self.set(span, Chunk::Missing);
        if let Some(generation) = self.generations.get_mut(span as usize).filter(|_| !self.defects.generation_kept) {
            *generation += 1;
        }
    }

    /// Nothing more comes: the copy is complete, or its room is given up.
    pub fn end(&mut self, is_complete: bool) {
        self.end = Some(is_complete);
    }

    /// Which try at the span this is; to be handed to `look` and `look_verified`.
    pub fn generation(&self, span: u64) -> u32 {
        self.generations.get(span as usize).copied().unwrap_or(0)
    }

    /// Whether the chunk that begins there can be sent on, to someone who was sent the span's first chunk in this generation.
    pub fn look(&self, start_bytes: u64, generation: u32, now_ms: u64) -> Outlook {
        let is_here = self.chunks.get(index(start_bytes, CHUNK_BYTES)).is_some_and(|chunk| *chunk >= Chunk::Here);
        self.outlook(start_bytes / SPAN_BYTES, is_here, generation, now_ms)
    }

    /// Whether the span is the object's (PULL-6).
    pub fn look_verified(&self, span: u64, generation: u32, now_ms: u64) -> Outlook {
        let least = if self.defects.unverified_counts { Chunk::Here } else { Chunk::Verified };
        self.outlook(span, self.is_at_least(span, least), generation, now_ms)
    }

    fn outlook(&self, span: u64, is_ready: bool, generation: u32, now_ms: u64) -> Outlook {
        if self.generation(span) != generation {
            return Outlook::Renewed;
        }
        match self.end {
            Some(false) if !self.defects.end_ignored => Outlook::Never,
            _ if is_ready => Outlook::Ready,
            None if now_ms < self.moved_ms.saturating_add(PATIENCE_MS) || self.defects.patience_endless => {
                Outlook::Coming
            }
            _ => Outlook::Never,
        }
    }

    fn chunks_of(&self, span: u64) -> std::ops::Range<usize> {
        let (from, to) = self.span_range(span);
        index(from, CHUNK_BYTES)..index(to.next_multiple_of(CHUNK_BYTES), CHUNK_BYTES)
    }

    fn is_at_least(&self, span: u64, least: Chunk) -> bool {
        self.chunks.get(self.chunks_of(span)).is_some_and(|chunks| chunks.iter().all(|chunk| *chunk >= least))
    }

    fn set(&mut self, span: u64, new: Chunk) {
        let range = self.chunks_of(span);
        if let Some(chunks) = self.chunks.get_mut(range) {
            chunks.fill(new);
        }
    }
}
