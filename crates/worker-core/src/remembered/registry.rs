//! A list that grows for ever, of things that do not live for ever.

use std::ops::{Index, IndexMut};

/// Things by number. A number is never given to another thing; what is forgotten leaves one word behind.
#[derive(Debug)]
pub struct Registry<T> {
    items: Vec<Option<Box<T>>>,
    /// What stands for everything that was forgotten.
    forgotten: T,
}

impl<T> Registry<T> {
    /// An empty one. `forgotten` must bear being used in the place of any thing that is gone.
    pub fn new(forgotten: T) -> Self {
        Self { items: Vec::new(), forgotten }
    }

    /// Adds a thing; its number.
    pub fn push(&mut self, item: T) -> u32 {
        self.items.push(Some(Box::new(item)));
        (self.items.len() - 1) as u32
    }

    /// Whether it is still there.
    pub fn is_known(&self, number: u32) -> bool {
        self.items.get(number as usize).is_some_and(Option::is_some)
    }

    /// Forgets a thing.
    pub fn forget(&mut self, number: u32) {
        if let Some(item) = self.items.get_mut(number as usize) {
            *item = None;
        }
    }

    /// A thing, or what stands for those that were forgotten; `None` for a number that was never given.
    pub fn get(&self, number: u32) -> Option<&T> {
        self.items.get(number as usize).map(|item| item.as_deref().unwrap_or(&self.forgotten))
    }

    /// How many numbers were given.
    pub fn count(&self) -> u32 {
        self.items.len() as u32
    }

    /// Those that are there, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.items.iter().enumerate().filter_map(|(number, item)| Some((number as u32, item.as_deref()?)))
    }

    /// Those that are there.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.items.iter_mut().filter_map(Option::as_deref_mut)
    }
}

/// # Panics
/// On a number that was never given.
impl<T> Index<u32> for Registry<T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        self.items[number as usize].as_deref().unwrap_or(&self.forgotten)
    }
}

impl<T> IndexMut<u32> for Registry<T> {
    fn index_mut(&mut self, number: u32) -> &mut T {
        self.items[number as usize].as_deref_mut().unwrap_or(&mut self.forgotten)
    }
}
