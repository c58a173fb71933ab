//! A set of named amounts.

use crate::Amount;
use std::collections::BTreeMap;

/// Named amounts; a name that is absent is zero. Ordered by name, so that two runs see the same order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct ResourceSet(BTreeMap<String, Amount>);

impl ResourceSet {
    /// A set with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// The amount of `name`.
    pub fn get(&self, name: &str) -> Amount {
        self.0.get(name).copied().unwrap_or(Amount::ZERO)
    }

    /// Sets the amount of `name`; zero removes it.
    pub fn set(&mut self, name: &str, amount: Amount) {
        if amount.is_zero() {
            self.0.remove(name);
        } else {
            self.0.insert(name.to_owned(), amount);
        }
    }

    /// Names and amounts, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Amount)> {
        self.0.iter().map(|(name, amount)| (name.as_str(), *amount))
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every amount of `demand` is available here.
    pub fn covers(&self, demand: &Self) -> bool {
        demand.iter().all(|(name, amount)| self.get(name) >= amount)
    }

    /// Adds every amount of `other`.
    pub fn add(&mut self, other: &Self) {
        for (name, amount) in other.iter() {
            self.set(name, self.get(name) + amount);
        }
    }

    /// Adds every amount of `other` so many times.
    pub fn add_times(&mut self, other: &Self, count: u32) {
        for (name, amount) in other.iter() {
            self.set(name, self.get(name) + amount * count);
        }
    }

    /// Takes every amount of `other` away; may go below zero.
    pub fn subtract(&mut self, other: &Self) {
        for (name, amount) in other.iter() {
            self.set(name, self.get(name) - amount);
        }
    }

    /// Takes every amount of `other` away so many times; may go below zero.
    pub fn subtract_times(&mut self, other: &Self, count: u32) {
        for (name, amount) in other.iter() {
            self.set(name, self.get(name) - amount * count);
        }
    }
}

impl FromIterator<(String, Amount)> for ResourceSet {
    fn from_iter<I: IntoIterator<Item = (String, Amount)>>(entries: I) -> Self {
        Self(entries.into_iter().filter(|(_, amount)| !amount.is_zero()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_and_giving_back_restores_the_set() {
        let total: ResourceSet = [("CPU".to_owned(), Amount::whole(2))].into_iter().collect();
        let demand: ResourceSet = [("CPU".to_owned(), Amount::from_f64(0.3).expect("amount"))].into_iter().collect();
        let mut left = total.clone();
        left.subtract(&demand);
        assert!(left.covers(&demand));
        left.add(&demand);
        assert_eq!(left, total);
    }
}
