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
                a_spot_check_comes_past_every_open_account,
                a_random_workload_ends_as_in_memory,
            }
        );
        $crate::clauses!(
            $make,
            bans {
                a_ban_is_imposed_once_and_its_reason_refreshed,
                a_ban_is_lifted_once_and_can_be_imposed_anew,
                a_ban_of_nobody_is_refused_and_leaves_no_trace,
                a_reason_comes_back_exactly,
                the_next_batch_knows_of_a_ban,
                a_ban_holds_for_one_player_of_one_realm,
                a_ban_outlasts_being_seen_again,
                a_ban_between_batches_of_two_handles_is_not_lost,
            }
        );
        $crate::clauses!(
            $make,
            merges {
                an_account_that_only_the_source_has_changes_its_owner,
                an_account_that_both_have_is_emptied_by_a_visible_pair_of_entries,
                an_account_that_holds_nothing_is_closed_without_entries,
                a_closed_history_is_read_under_the_target_page_by_page,
                grants_become_the_targets,
                a_late_repeat_under_the_old_id_pays_nothing,
                the_sources_id_is_free,
                the_target_inherits_a_context_if_it_has_none,
                a_merge_above_the_top_changes_nothing_at_all,
                refused_merges_leave_no_trace,
                a_merged_player_is_merged_onward,
                players_with_many_assets_are_merged,
                a_merge_stays_in_its_realm,
                a_merge_is_logged_with_what_it_moved,
            }
        );
        $crate::clauses!(
            $make,
            merge_repeats {
                a_repeated_merge_happens_once,
                a_late_repeat_does_not_merge_whoever_has_the_id_by_then,
                without_a_key_whoever_has_the_id_is_merged,
                a_key_names_a_merge_of_these_two_ids,
                a_repeat_is_answered_after_the_target_is_gone,
            }
        );
        $crate::clauses!(
            $make,
            merge_races {
                credits_go_on_while_players_merge,
                grants_go_on_while_players_merge,
                the_same_merge_at_two_handles_at_once_happens_once,
                one_player_is_merged_into_one_of_two,
                merges_into_each_other_do_not_deadlock,
                a_chain_that_is_merged_at_once_loses_nothing,
                a_merge_into_a_player_who_is_being_erased_is_whole_or_refused,
            }
        );
        $crate::clauses!($make, plays { whatever_is_played_comes_to_what_it_comes_to_in_memory });
        $crate::clauses!(
            $make,
            erasures {
                nothing_that_says_whose_it_was_is_left,
                an_erasure_leaves_the_books_whole,
                a_long_history_is_blanked_to_the_last_entry,
                a_repeated_erasure_happens_once,
                the_id_of_an_erased_player_starts_fresh,
                a_late_repeat_after_an_erasure_pays_nothing,
                who_never_existed_is_not_erased,
                the_log_of_an_erased_player_says_only_what_was_done,
                whoever_was_merged_into_an_erased_player_is_erased_with_them,
                an_erasure_stays_in_its_realm,
                what_comes_in_during_an_erasure_is_blanked_or_somebody_elses,
                nobody_claims_the_grants_of_an_erased_player,
            }
        );
        $crate::clauses!(
            $make,
            audit_log {
                audit_entries_come_back_exactly,
                audit_pages_follow_each_other,
                a_log_is_seen_in_its_realm_only,
                a_row_names_its_players_as_they_are_called_now,
            }
        );
        $crate::clauses!(
            $make,
            exports {
                a_head_shows_the_player_and_every_account,
                an_unknown_player_has_no_head,
                the_entries_of_all_accounts_are_the_whole_ledger,
                an_export_that_began_before_a_merge_is_read_to_its_end,
                the_grants_of_an_export_follow_each_other,
            }
        );
        $crate::clauses!(
            $make,
            installation {
                the_first_secret_is_the_one_agreed_on,
                two_first_secrets_at_once_agree_on_one,
                a_replaced_secret_is_forgotten
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
                a_limit_of_a_key_is_changed_and_taken_away,
                a_revocation_is_kept_with_its_reason,
                a_change_of_a_key_is_audited,
                the_latest_use_of_a_key_is_kept,
            }
        );
        $crate::clauses!(
            $make,
            events {
                events_come_back_exactly,
                leaderboards_come_back_exactly,
                a_taken_configuration_key_is_refused,
                a_configuration_key_is_given_once_at_two_handles,
                a_configuration_is_changed_under_its_version,
                concurrent_changes_of_a_configuration_are_not_lost,
                pages_of_configurations_follow_each_other,
            }
        );
        $crate::clauses!(
            $make,
            lobbies {
                a_pushed_lobby_comes_back_exactly,
                lobbies_of_every_stage_come_back_exactly,
                lobby_pages_follow_each_other_and_know_the_time,
                forty_concurrent_pushes_make_one_lobby,
                a_push_at_two_handles_at_once_makes_one_lobby,
                overlapping_pushes_do_not_deadlock,
                a_refused_push_leaves_no_trace,
                players_join_and_leave_and_a_lobby_closes,
                a_batch_on_one_lobby_ends_as_its_commands_one_at_a_time,
                concurrent_starts_never_overfill_a_forming_lobby,
                concurrent_starts_never_overfill_a_group,
                joins_and_leaves_at_two_handles_keep_count,
                the_last_place_is_taken_once,
                realms_do_not_see_each_others_lobbies,
                who_waits_goes_on_waiting_after_a_reopen,
            }
        );
        $crate::clauses!(
            $make,
            sweeps {
                a_sweep_stores_and_tells_what_the_clock_did,
                a_late_sweep_tells_every_step,
                a_sweep_begins_with_what_is_due_longest,
                concurrent_sweeps_tell_every_step_once,
                a_step_that_a_write_told_is_not_told_by_a_sweep,
                a_sweep_is_of_all_realms,
                a_lobby_that_the_clock_closed_takes_nobody_in,
            }
        );
        $crate::clauses!(
            $make,
            attempts {
                attempts_come_back_exactly,
                concurrent_increments_add_up,
                repeats_are_answered_as_they_were_across_a_reopen,
                the_same_start_and_progress_at_two_handles_happen_once,
                attempts_end_early_with_their_lobby_or_place,
                a_start_after_leaving_in_one_batch_goes_on,
                refused_attempts_leave_no_trace,
                a_banned_players_client_does_not_play,
            }
        );
        $crate::clauses!(
            $make,
            rankings {
                a_score_is_answered_with_its_rank,
                ranks_are_those_of_now_whatever_became_of_the_places,
                scores_come_back_exactly,
                a_leaderboard_counts_the_best_the_latest_or_the_sum,
                ranks_of_thousands_are_those_of_a_sorted_list,
                segments_and_periods_are_ranked_apart,
                a_ranking_without_somebody_is_empty_around_them,
                concurrent_scores_add_up_and_rank,
                batches_of_a_lane_see_those_before_them,
                a_repeated_score_counts_once,
                keys_of_scores_are_of_their_realm_and_operation,
            }
        );
        $crate::clauses!(
            $make,
            play_lives {
                what_was_played_becomes_the_targets,
                a_lobby_that_both_are_in_keeps_one_entry,
                a_ranking_that_both_are_in_keeps_one_place,
                a_merge_moves_a_lobby_on_that_is_due,
                play_goes_on_while_players_merge,
                boards_show_the_placeholder_of_an_erased_player,
                a_profile_shows_what_was_played,
                pages_of_what_was_played_follow_each_other,
            }
        );
        $crate::clauses!(
            $make,
            endpoints {
                endpoints_come_back_exactly,
                an_endpoint_is_revised_in_part,
                a_refused_change_of_an_endpoint_leaves_no_trace,
                a_rotation_keeps_the_secrets_before,
                a_change_of_an_endpoint_is_audited,
                a_realm_has_only_so_many_endpoints,
                the_last_endpoint_is_made_once_at_two_handles,
                concurrent_changes_of_an_endpoint_are_not_lost,
                a_removed_endpoint_is_seen_nowhere,
                webhooks_of_realms_are_apart,
            }
        );
        $crate::clauses!(
            $make,
            outbox {
                each_change_is_told_with_its_ledger_entry,
                what_nobody_is_told_of_is_not_stored,
                events_are_kept_for_an_endpoint_that_is_disabled,
                a_subscription_is_of_its_realm,
                a_refused_command_stores_no_event,
                a_repeated_command_stores_no_second_event,
                an_import_is_told_to_nobody,
                a_new_player_is_told_of_once,
                a_grant_is_told_of_when_it_is_created_and_when_it_is_claimed,
                a_batch_of_the_largest_size_tells_everything,
                concurrent_writers_tell_every_entry_once,
                the_bell_rings_when_something_is_to_be_told,
                a_random_workload_is_told_as_in_memory,
            }
        );
        $crate::clauses!(
            $make,
            outbox_lives {
                a_ban_is_told_of_the_first_time_only,
                a_merge_is_told_of_with_the_holdings_that_it_changed,
                a_refused_merge_tells_nothing,
                a_merge_makes_older_events_the_targets,
                an_erasure_is_told_of_and_blanks_what_was_said_before,
                an_erasure_of_nobody_tells_nothing,
                what_is_told_during_an_erasure_is_blanked_or_somebody_elses,
                a_pushed_lobby_is_told_of_at_each_step,
                what_the_clock_did_to_lobbies_is_told_of_once,
                a_late_sweep_tells_what_is_wanted_of_every_step,
                a_merge_that_moves_a_lobby_on_tells_of_it,
                what_is_played_is_told_of,
            }
        );
        $crate::clauses!(
            $make,
            deliveries {
                an_event_goes_to_every_endpoint_that_is_subscribed,
                what_is_taken_is_complete,
                a_player_has_one_number_towards_forms,
                deliveries_come_longest_due_first,
                no_endpoint_has_more_than_its_share,
                what_was_taken_is_due_again_when_its_time_is_over,
                takers_at_two_handles_get_different_deliveries,
                a_delivery_becomes_what_its_attempt_came_to,
                attempts_of_a_delivery_come_back_exactly,
                a_late_report_changes_nothing_but_the_log,
                an_endpoint_is_failing_until_a_success,
                reports_of_one_endpoint_count_in_order,
                an_endpoint_that_is_gone_or_fails_for_days_is_disabled,
                deliveries_to_a_disabled_endpoint_wait,
                concurrent_reports_are_all_kept,
                delivery_pages_follow_each_other,
                the_lag_is_of_what_waits_for_enabled_endpoints,
                a_report_about_what_was_removed_changes_nothing,
            }
        );
        $crate::clauses!(
            $make,
            replays {
                one_delivery_is_queued_again,
                a_delivery_that_waits_is_queued_at_once,
                a_delivery_of_nobody_is_not_queued,
                a_range_is_queued_again,
                a_delivery_that_is_being_attempted_is_left_alone,
                a_range_leaves_alone_what_waits,
                a_range_makes_deliveries_that_there_were_none_of,
                a_replay_of_what_is_not_published_yet_tells_it_once,
                a_replay_queues_only_so_many,
            }
        );
        $crate::clauses!(
            $make,
            feed {
                feed_pages_follow_each_other,
                the_feed_has_only_the_names_that_are_asked_for,
                what_becomes_known_later_comes_after_all_that_was_there,
                an_event_is_found_by_its_id,
                a_reader_of_the_feed_misses_nothing_while_writes_go_on,
            }
        );
        $crate::clauses!(
            $make,
            expiries {
                a_grant_that_expires_is_told_of_once,
                what_expired_before_the_first_look_is_not_told,
                many_expiries_are_told_once_by_whoever_tells,
                a_grant_that_was_merged_expires_as_the_targets,
                a_key_that_will_expire_is_told_of_at_each_threshold,
                a_key_is_told_of_once_by_whoever_tells,
                a_key_whose_end_moves_is_told_of_anew,
                expiries_that_nobody_is_told_of_are_not_stored,
                expiries_are_delivered,
            }
        );
        $crate::clauses!(
            $make,
            discards {
                what_is_old_is_discarded_and_what_is_not_stays,
                discarded_rows_are_counted,
                what_was_discarded_is_not_told_any_more,
                what_is_left_of_a_removed_endpoint_is_discarded,
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
    const PARTS: [&str; 36] = [
        include_str!("audit.rs"),
        include_str!("audit_log.rs"),
        include_str!("bans.rs"),
        include_str!("batches.rs"),
        include_str!("concurrency.rs"),
        include_str!("directory.rs"),
        include_str!("erasures.rs"),
        include_str!("exports.rs"),
        include_str!("fidelity.rs"),
        include_str!("grants.rs"),
        include_str!("idempotency.rs"),
        include_str!("imports.rs"),
        include_str!("installation.rs"),
        include_str!("isolation.rs"),
        include_str!("keys.rs"),
        include_str!("ledger_pages.rs"),
        include_str!("merge_races.rs"),
        include_str!("merge_repeats.rs"),
        include_str!("merges.rs"),
        include_str!("plays.rs"),
        include_str!("profiles.rs"),
        include_str!("events.rs"),
        include_str!("lobbies.rs"),
        include_str!("sweeps.rs"),
        include_str!("attempts.rs"),
        include_str!("rankings.rs"),
        include_str!("play_lives.rs"),
        include_str!("settling.rs"),
        include_str!("endpoints.rs"),
        include_str!("outbox.rs"),
        include_str!("outbox_lives.rs"),
        include_str!("deliveries.rs"),
        include_str!("replays.rs"),
        include_str!("feed.rs"),
        include_str!("expiries.rs"),
        include_str!("discards.rs"),
    ];

    #[test]
    fn every_clause_is_stamped() {
        let words = |text: &'static str| text.split(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric());
        let stamped: HashSet<&str> = words(include_str!("stamp.rs")).collect();
        let claims = PARTS.iter().flat_map(|part| part.split("\npub async fn ").skip(1));
        let clauses: Vec<&str> = claims.filter_map(|claim| words(claim).next()).collect();
        let missing: Vec<&&str> = clauses.iter().filter(|clause| !stamped.contains(**clause)).collect();
        assert_eq!(missing, Vec::<&&str>::new());
        assert!(100 < clauses.len());
    }

    mod memory {
        use crate::MemoryFixture;

        crate::store_contract!(MemoryFixture::create);
    }
}
