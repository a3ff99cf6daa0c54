//! What every limiter keeps.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::stage::{Stage, budget};

/// As much as the limit passes, and not one more.
pub(crate) async fn a_budget_is_spent_to_its_end_and_not_beyond(stage: Stage) {
    for remaining in (0..10).rev() {
        let spent = stage.limiter.spend(budget(1, 10), 1).await;
        assert_eq!((spent.admitted, spent.remaining, spent.limit), (true, remaining, 10));
    }
    let refused = stage.limiter.spend(budget(1, 10), 1).await;
    assert_eq!((refused.admitted, refused.remaining), (false, 0));
    assert!(stage.limiter.spend(budget(2, 10), 10).await.admitted, "another key has a budget of its own");
}

/// Who waits as told is admitted, and what was refused has cost nothing.
pub(crate) async fn a_budget_comes_back_when_it_was_told(stage: Stage) {
    assert!(stage.limiter.spend(budget(1, 5), 3).await.admitted);
    stage.clock.advance(Duration::from_secs(20));
    assert!(stage.limiter.spend(budget(1, 5), 2).await.admitted);
    let refused = stage.limiter.spend(budget(1, 5), 3).await;
    assert!(!refused.admitted && refused.retry_after < refused.resets_after, "{refused:?}");
    stage.clock.advance(refused.retry_after - Duration::from_micros(1));
    assert!(!stage.limiter.spend(budget(1, 5), 3).await.admitted);
    stage.clock.advance(Duration::from_micros(1));
    assert!(stage.limiter.spend(budget(1, 5), 3).await.admitted);
}

/// A look tells how things stand and changes nothing.
pub(crate) async fn a_look_costs_nothing(stage: Stage) {
    for _ in 0..3 {
        let seen = stage.limiter.spend(budget(1, 2), 0).await;
        assert_eq!((seen.admitted, seen.remaining, seen.resets_after), (true, 2, Duration::ZERO));
    }
    stage.limiter.spend(budget(1, 2), 2).await;
    assert!(!stage.limiter.spend(budget(1, 2), 0).await.admitted);
}

/// More than the whole limit is admitted when nothing was spent, and is all of it.
pub(crate) async fn more_than_the_limit_takes_all_of_it(stage: Stage) {
    let spent = stage.limiter.spend(budget(1, 5), 10).await;
    assert_eq!((spent.admitted, spent.remaining), (true, 0));
    stage.clock.advance(Duration::from_secs(30));
    let refused = stage.limiter.spend(budget(1, 5), 10).await;
    stage.clock.advance(refused.retry_after);
    assert!(stage.limiter.spend(budget(1, 5), 10).await.admitted);
}

/// A limit that changes holds from the next attempt on.
pub(crate) async fn a_limit_that_changes_holds_at_once(stage: Stage) {
    assert!(stage.limiter.spend(budget(1, 50), 30).await.admitted);
    assert!(!stage.limiter.spend(budget(1, 10), 1).await.admitted);
    assert_eq!(stage.limiter.spend(budget(1, 31), 1).await.remaining, 0);
    assert_eq!(stage.limiter.spend(budget(1, 100), 1).await.remaining, 68);
}

/// Of two hundred at once on a budget of fifty, fifty pass.
pub(crate) async fn of_many_at_once_as_many_pass_as_there_is_budget(stage: Stage) {
    let mut attempts = JoinSet::new();
    for number in 0..200 {
        let (stage, key) = (stage.clone(), number % 2);
        attempts.spawn(async move { (key, stage.limiter.spend(budget(key, 50), 1).await.admitted) });
    }
    let admitted = attempts.join_all().await;
    for key in 0..2 {
        assert_eq!(admitted.iter().filter(|attempt| **attempt == (key, true)).count(), 50);
    }
}
