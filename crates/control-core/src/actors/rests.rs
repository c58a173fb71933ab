//! ACTOR-6: an actor whose process dies in its constructor again and again rests before its next life, longer each time: what it needs may be
//! away for a while, and a machine has better things to do than to start processes that die.

use trygon_ids::ActorId;

/// The rest after the second such death in a row. After the first there is none; each further one doubles it.
const FIRST_US: u64 = 20_000;
/// No rest is longer, but for what chance adds.
const CAP_US: u64 = 10_000_000;

/// How long an actor rests after so many deaths in its constructor in a row. Chance, from its id, adds up to half: actors that failed together
/// do not come back together.
pub(crate) fn rest_us(stillborn: u16, actor: ActorId) -> u64 {
    if stillborn < 2 {
        return 0;
    }
    let plain_us = FIRST_US.saturating_mul(1 << u32::from(stillborn - 2).min(40)).min(CAP_US);
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    let chance = actor.as_bytes().iter().chain(&stillborn.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, mix) >> 54;
    plain_us + plain_us / 2 * chance / 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_to_a_cap_and_differ_among_actors() {
        let actor = |number: u8| ActorId::new([number; ActorId::LEN]);
        assert_eq!([0, 1].map(|deaths| rest_us(deaths, actor(1))), [0, 0]);
        for (deaths, plain_us) in [(2, 20_000), (3, 40_000), (4, 80_000), (60, CAP_US), (u16::MAX, CAP_US)] {
            let rests: Vec<u64> = (0..100).map(|number| rest_us(deaths, actor(number))).collect();
            assert!(rests.iter().all(|rest| (plain_us..=plain_us * 3 / 2).contains(rest)), "{deaths}: {rests:?}");
            assert!(rests.iter().min() < rests.iter().max(), "{deaths}");
        }
    }
}
