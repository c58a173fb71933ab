//! The bounded record of what happened to tasks.

use std::collections::VecDeque;

/// What happened to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskEvent {
    /// The task.
    pub task_id: Vec<u8>,
    /// Its function.
    pub name: String,
    /// `FINISHED`, `FAILED`, `RETRIED`.
    pub state: String,
    /// Its attempt.
    pub attempt: u32,
    /// When, in microseconds since the epoch.
    pub time_us: u64,
    /// How long it ran, in microseconds.
    pub duration_us: u64,
    /// The worker that ran it.
    pub worker_id: Vec<u8>,
    /// The error, or empty.
    pub error: String,
}

/// RECORD-1: the newest events, and how many are missing.
#[derive(Debug)]
pub struct TaskEvents {
    events: VecDeque<TaskEvent>,
    max_events: usize,
    dropped: u64,
}

impl TaskEvents {
    /// A record of at most `max_events`.
    pub fn new(max_events: usize) -> Self {
        Self { events: VecDeque::new(), max_events, dropped: 0 }
    }

    /// Adds an event; the oldest gives way.
    pub fn push(&mut self, event: TaskEvent) {
        if self.events.len() >= self.max_events {
            self.events.pop_front();
            self.dropped += 1;
        }
        self.events.push_back(event);
    }

    /// Counts events that a sender dropped.
    pub fn note_dropped(&mut self, count: u64) {
        self.dropped += count;
    }

    /// The events, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &TaskEvent> {
        self.events.iter()
    }

    /// How many events are not in the record any more.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::{TaskEvent, TaskEvents};

    #[test]
    fn the_oldest_give_way_and_are_counted() {
        // RECORD-1
        let mut record = TaskEvents::new(2);
        for attempt in 0..5 {
            let (task_id, worker_id) = (vec![], vec![]);
            let (name, state, error) = (String::new(), "FINISHED".to_owned(), String::new());
            record.push(TaskEvent { task_id, name, state, attempt, time_us: 0, duration_us: 0, worker_id, error });
        }
        record.note_dropped(10);
        assert_eq!(record.iter().map(|event| event.attempt).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(record.dropped(), 13);
    }
}
