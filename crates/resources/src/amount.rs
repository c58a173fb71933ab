//! One amount, in units of 1/10000.

/// Units in one whole.
const SCALE: f64 = 10_000.0;

/// An amount of a resource in units of 1/10000; negative only in ledgers that lent out what they had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct Amount(i64);

/// Why a number is no amount.
#[derive(Debug, Clone, PartialEq)]
pub struct AmountError(pub f64);

impl std::fmt::Display for AmountError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} is no resource amount: it must be a finite number >= 0, in steps of 0.0001", self.0)
    }
}

impl std::error::Error for AmountError {}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// This many whole units.
    pub const fn whole(count: i64) -> Self {
        Self(count * 10_000)
    }

    /// This many units of 1/10000.
    pub const fn from_units(units: i64) -> Self {
        Self(units)
    }

    /// The nearest amount to `value`, which must be finite and not negative.
    pub fn from_f64(value: f64) -> Result<Self, AmountError> {
        let units = value * SCALE;
        // i64::MAX as f64 rounds up, so compare with a bound that is exact.
        if !value.is_finite() || value < 0.0 || units >= 9.0e18 {
            return Err(AmountError(value));
        }
        Ok(Self(units.round() as i64))
    }

    /// Units of 1/10000.
    pub const fn units(self) -> i64 {
        self.0
    }

    /// The amount as people write it.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / SCALE
    }

    /// Whether this is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl std::ops::Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::ops::Sub for Amount {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::ops::Mul<u32> for Amount {
    type Output = Self;
    fn mul(self, count: u32) -> Self {
        Self(self.0.saturating_mul(i64::from(count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenths_add_up_exactly() {
        let tenth = Amount::from_f64(0.1).expect("0.1 is an amount");
        let sum = (0..10).fold(Amount::ZERO, |sum, _| sum + tenth);
        assert_eq!(sum, Amount::whole(1));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for value in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert!(Amount::from_f64(value).is_err(), "{value}");
        }
    }
}
