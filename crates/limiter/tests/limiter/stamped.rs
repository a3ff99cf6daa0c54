//! The contract, on memory and on Redis.

/// A test of each clause.
macro_rules! stamp {
    ($($clause:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $clause() {
                crate::contract::$clause(crate::stage::Stage::in_memory()).await;
            })*
        }

        mod redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $clause() {
                let redis = testcluster::redis();
                crate::contract::$clause(crate::stage::Stage::on(&redis).await).await;
            })*
        }
    };
}

stamp! {
    a_budget_is_spent_to_its_end_and_not_beyond,
    a_budget_comes_back_when_it_was_told,
    a_look_costs_nothing,
    more_than_the_limit_takes_all_of_it,
    a_limit_that_changes_holds_at_once,
    of_many_at_once_as_many_pass_as_there_is_budget,
}
