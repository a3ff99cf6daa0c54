//! Makes a test of every clause.

/// Stamps the whole contract on an adapter: one test for each clause, each on a new fixture.
///
/// `store_contract!(make);` where `make` is the path of an `async fn() -> impl Fixture`. Put it in a module of its own;
/// it defines one module for each part of the contract.
#[macro_export]
macro_rules! store_contract {
    ($make:path) => {
        $crate::clauses!(
            $make,
            settling {
                an_open_store_is_healthy,
                outcomes_come_in_the_order_of_the_commands,
                an_overdraft_is_refused_and_the_rest_of_the_batch_settles,
                a_balance_stops_at_the_largest_integer,
                first_contact_makes_one_player,
                a_refused_first_contact_creates_no_player,
                last_seen_moves_coarsely,
                what_was_settled_is_there_after_a_reopen,
            }
        );
        $crate::clauses!(
            $make,
            batches {
                a_batch_of_the_largest_size_settles_for_distinct_players,
                a_batch_of_the_largest_size_settles_for_one_player,
                a_batch_of_large_grants_settles,
            }
        );
        $crate::clauses!(
            $make,
            idempotency {
                a_repeat_in_the_same_batch_settles_once,
                a_repeat_in_a_later_batch_answers_the_original_balance,
                a_repeat_across_a_reopen_settles_once,
                a_repeat_at_another_handle_settles_once,
                a_repeated_grant_is_answered_as_created,
                another_request_under_the_same_key_is_a_conflict,
                the_same_key_in_two_operations_is_two_requests,
                the_same_key_in_two_realms_is_two_requests,
                a_refused_command_consumes_no_key,
            }
        );
        $crate::clauses!(
            $make,
            grants {
                a_grant_is_pending_until_it_is_acknowledged,
                acknowledging_again_answers_the_same_row,
                a_create_repeated_after_the_acknowledgement_answers_as_created,
                a_batch_sees_its_own_grants,
                a_grant_of_another_player_or_realm_is_not_found,
                an_immediate_grant_deposits_its_entries,
                an_immediate_grant_deposits_all_or_nothing,
                an_expired_grant_cannot_be_acknowledged,
                grant_pages_follow_each_other,
            }
        );
        $crate::clauses!(
            $make,
            imports {
                an_imported_player_is_known_with_the_last_context,
                an_import_of_a_known_player_keeps_what_they_hold,
                a_repeated_import_of_a_player_happens_once,
                imports_add_up_and_have_keys_of_their_own,
                the_same_import_at_two_handles_at_once_happens_once,
                a_batch_of_imports_of_the_largest_size_settles,
            }
        );
        $crate::clauses!(
            $make,
            isolation {
                realms_do_not_see_each_other,
                a_batch_keeps_realms_apart,
                an_unknown_player_has_nothing,
                player_ids_that_look_alike_are_different_players,
                assets_that_look_alike_are_different_accounts,
            }
        );
        $crate::clauses!(
            $make,
            fidelity { ledger_rows_come_back_exactly, grants_come_back_exactly, far_times_come_back_exactly }
        );
        $crate::clauses!(
            $make,
            ledger_pages {
                a_ledger_is_read_in_the_order_of_commits,
                ledger_pages_follow_each_other,
                a_ledger_is_filtered_by_kind_and_key,
                pages_skip_and_repeat_nothing_while_writes_go_on,
                a_follower_misses_nothing_while_two_handles_write,
            }
        );
        $crate::clauses!(
            $make,
            profiles {
                holdings_include_what_was_emptied,
                holdings_are_listed_by_key,
                holdings_tell_when_they_were_opened_and_changed,
                a_profile_counts_grants,
            }
        );
        $crate::clauses!(
            $make,
            concurrency {
                forty_concurrent_callers_never_overdraw,
                callers_at_two_handles_never_overdraw,
                the_same_request_at_two_handles_at_once_settles_once,
                first_contact_at_two_handles_at_once_makes_one_player,
                overlapping_batches_in_opposite_order_do_not_deadlock,
                a_crowd_is_served_exactly,
            }
        );
        $crate::clauses!(
            $make,
            audit {
                an_empty_store_adds_up,
                the_audit_agrees_after_a_random_workload,
                a_random_workload_ends_as_in_memory,
            }
        );
        $crate::clauses!(
            $make,
            directory {
                a_taken_slug_is_refused,
                studios_and_games_are_listed_oldest_first,
                each_environment_of_each_game_is_a_realm_of_its_own,
                another_handle_sees_what_was_added,
            }
        );
        $crate::clauses!(
            $make,
            keys {
                an_issued_key_is_found_as_it_was,
                a_public_id_in_another_case_is_another_key,
                a_rotation_moves_the_end_of_the_old_key,
                a_revocation_is_kept_with_its_reason,
                the_latest_use_of_a_key_is_kept,
            }
        );
    };
}

/// One module of tests: the clauses of one part of the contract. Used by [`store_contract!`].
#[doc(hidden)]
#[macro_export]
macro_rules! clauses {
    ($make:path, $part:ident { $($clause:ident),+ $(,)? }) => {
        mod $part {
            use super::*;
            $(
                #[test]
                fn $clause() {
                    $crate::contract::run($make(), $crate::contract::$part::$clause);
                }
            )+
        }
    };
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    /// The file of each part of the contract.
    const PARTS: [&str; 13] = [
        include_str!("audit.rs"),
        include_str!("batches.rs"),
        include_str!("concurrency.rs"),
        include_str!("directory.rs"),
        include_str!("fidelity.rs"),
        include_str!("grants.rs"),
        include_str!("idempotency.rs"),
        include_str!("imports.rs"),
        include_str!("isolation.rs"),
        include_str!("keys.rs"),
        include_str!("ledger_pages.rs"),
        include_str!("profiles.rs"),
        include_str!("settling.rs"),
    ];

    #[test]
    fn every_clause_is_stamped() {
        let words = |text: &'static str| text.split(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric());
        let stamped: HashSet<&str> = words(include_str!("stamp.rs")).collect();
        let claims = PARTS.iter().flat_map(|part| part.split("\npub async fn ").skip(1));
        let clauses: Vec<&str> = claims.filter_map(|claim| words(claim).next()).collect();
        let missing: Vec<&&str> = clauses.iter().filter(|clause| !stamped.contains(**clause)).collect();
        assert_eq!(missing, Vec::<&&str>::new());
        assert!(50 < clauses.len());
    }

    mod memory {
        use crate::MemoryFixture;

        crate::store_contract!(MemoryFixture::create);
    }
}
