//! Memory and Redis answer the same to the same schedule, to the microsecond.

use std::time::Duration;

use domain::clock::{Clock, Timestamp};

use crate::stage::{Stage, budget};

/// Numbers that nobody chose, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_give_the_same_answers_whatever_the_schedule() {
    let redis = testcluster::redis();
    let (memory, shared) = (Stage::in_memory(), Stage::on(&redis).await);
    let mut numbers = Numbers(7);
    let (mut admitted, mut refused) = (0, 0);
    for step in 0..6_000_u128 {
        let pause = match numbers.below(10) {
            0..=5 => numbers.below(300_000),
            6..=7 => numbers.below(3_000_000),
            8 => 0,
            _ => numbers.below(70_000_000),
        };
        memory.clock.advance(Duration::from_micros(pause));
        if numbers.below(100) == 0 {
            // Set back, by less and by more than a window.
            let back = i64::try_from(numbers.below(200_000_000)).unwrap();
            memory.clock.set(Timestamp::from_unix_micros(memory.clock.now().unix_micros() - back));
        }
        shared.clock.set(memory.clock.now());
        let limit = u32::try_from(1 + numbers.below(30)).unwrap();
        let (key, cost) = (u128::from(numbers.below(3)), u32::try_from(numbers.below(12)).unwrap());
        let budget = budget(key, if key == 0 { limit } else { 20 });
        let expected = memory.limiter.spend(budget, cost).await;
        assert_eq!(shared.limiter.spend(budget, cost).await, expected, "step {step}: {cost} of {budget:?}");
        if expected.admitted { admitted += 1 } else { refused += 1 }
    }
    assert!(1_000 < admitted && 1_000 < refused, "{admitted} and {refused}: the schedule tries both");
}
