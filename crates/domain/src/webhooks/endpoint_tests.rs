//! How endpoints change: by those who configure them, and by what their attempts come to.

use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use super::test_webhooks::*;
use super::*;
use crate::audit_log::{AuditAction, AuditEntry, AuditId};
use crate::economy::Actor;
use crate::text::FreeText;

const FIVE_DAYS: u64 = 5 * 24 * HOUR;
const RETRY: Verdict = Verdict::Retry { at: crate::clock::Timestamp::EPOCH };

/// The endpoint after attempts that began at these seconds.
fn after(endpoint: &Endpoint, attempts: &[(u64, Verdict)]) -> Option<Endpoint> {
    let reports: Vec<_> = attempts.iter().map(|(at, verdict)| report(endpoint, *at, *verdict)).collect();
    endpoint.after(&reports)
}

fn change(edit: EndpointEdit) -> EndpointChange {
    let (realm, at) = (realm().id, second(60));
    let audit = AuditEntry::new(realm, AuditId(Uuid::nil()), at, Actor::new("operator"), edit.action());
    EndpointChange { realm, id: EndpointId(Uuid::from_u128(1)), at, edit, audit }
}

fn revise(events: Option<EventNames>, enabled: Option<bool>) -> EndpointEdit {
    EndpointEdit::Revise { url: None, description: None, events, enabled }
}

#[test]
fn an_endpoint_fails_from_its_first_failure_on_until_a_success() {
    let healthy = endpoint(1, Dialect::Json);
    assert_eq!(after(&healthy, &[]), None);
    assert_eq!(after(&healthy, &[(1, Verdict::Delivered)]), None, "nothing about it changes");
    let failing = after(&healthy, &[(5, RETRY), (9, Verdict::Exhausted)]).unwrap();
    assert_eq!(failing, Endpoint { failing_since: Some(second(5)), ..healthy.clone() });
    assert_eq!(after(&failing, &[(20, RETRY)]), None);
    assert_eq!(after(&failing, &[(20, Verdict::Delivered)]), Some(healthy.clone()));
    let again = after(&failing, &[(20, Verdict::Delivered), (21, RETRY)]).unwrap();
    assert_eq!(again.failing_since, Some(second(21)));
    assert_eq!(after(&healthy, &[(1, RETRY), (2, Verdict::Delivered)]), None);
}

#[test]
fn an_endpoint_that_failed_for_five_days_is_disabled() {
    let failing = after(&endpoint(1, Dialect::Json), &[(10, RETRY)]).unwrap();
    assert_eq!(after(&failing, &[(9 + FIVE_DAYS, RETRY)]), None);
    let disabled = after(&failing, &[(10 + FIVE_DAYS, RETRY)]).unwrap();
    assert_eq!(disabled.disabled, Some((DisabledReason::Failing, second(10 + FIVE_DAYS))));
    assert_eq!(after(&disabled, &[(20 + FIVE_DAYS, Verdict::Exhausted)]), None, "it is disabled once");
    let saved = after(&failing, &[(9 + FIVE_DAYS, Verdict::Delivered), (10 + FIVE_DAYS, RETRY)]).unwrap();
    assert_eq!((saved.disabled, saved.failing_since), (None, Some(second(10 + FIVE_DAYS))));
}

#[test]
fn an_endpoint_that_says_it_is_gone_is_disabled_at_once() {
    let healthy = endpoint(1, Dialect::Json);
    let gone = after(&healthy, &[(7, Verdict::Gone), (8, Verdict::Gone)]).unwrap();
    let expected =
        Endpoint { disabled: Some((DisabledReason::Gone, second(7))), failing_since: Some(second(7)), ..healthy };
    assert_eq!(gone, expected);
}

#[test]
fn the_first_reason_for_which_an_endpoint_was_disabled_stays() {
    let by_request = Endpoint { disabled: Some((DisabledReason::ByRequest, second(1))), ..endpoint(1, Dialect::Json) };
    let later = after(&by_request, &[(5, RETRY), (9, Verdict::Gone), (5 + FIVE_DAYS, RETRY)]).unwrap();
    assert_eq!(later.disabled, by_request.disabled);
    assert_eq!(later.failing_since, Some(second(5)));
}

proptest! {
    #[test]
    fn reports_count_together_as_they_do_one_at_a_time(
        steps in vec((0_u64..200_000, 0_u8..4), 0..20), cuts in vec(any::<bool>(), 20),
    ) {
        let (mut at, mut together, mut apart) = (0, endpoint(1, Dialect::Json), endpoint(1, Dialect::Json));
        let mut waiting = Vec::new();
        for ((pause, verdict), cut) in steps.into_iter().zip(cuts) {
            at += pause;
            let verdict = [Verdict::Delivered, RETRY, Verdict::Exhausted, Verdict::Gone][usize::from(verdict)];
            apart = after(&apart, &[(at, verdict)]).unwrap_or(apart);
            waiting.push((at, verdict));
            if cut {
                together = after(&together, &std::mem::take(&mut waiting)).unwrap_or(together);
            }
        }
        together = after(&together, &waiting).unwrap_or(together);
        prop_assert_eq!(together, apart);
    }

    #[test]
    fn no_attempt_ever_enables_an_endpoint(
        reason in 0_usize..3, steps in vec((0_u64..200_000, 0_u8..4), 0..20),
    ) {
        let disabled = Some((DisabledReason::ALL[reason], second(0)));
        let mut stored = Endpoint { disabled, ..endpoint(1, Dialect::Json) };
        for (at, verdict) in steps {
            let verdict = [Verdict::Delivered, RETRY, Verdict::Exhausted, Verdict::Gone][usize::from(verdict)];
            stored = after(&stored, &[(at, verdict)]).unwrap_or(stored);
            prop_assert_eq!(stored.disabled, disabled);
        }
    }
}

#[test]
fn reports_are_sorted_by_endpoint_and_stay_in_order() {
    let (one, other) = (endpoint(1, Dialect::Json), endpoint(2, Dialect::Json));
    let reports = [report(&other, 1, RETRY), report(&one, 2, RETRY), report(&other, 3, Verdict::Gone)];
    let sorted: Vec<_> = reports_by_endpoint(&reports).into_iter().collect();
    let expected =
        vec![((realm().id, one.id), vec![&reports[1]]), ((realm().id, other.id), vec![&reports[0], &reports[2]])];
    assert_eq!(sorted, expected);
}

#[test]
fn what_a_revision_does_not_say_stays() {
    let stored = endpoint(1, Dialect::Json);
    let unchanged = change(revise(None, None)).decide(Some(&stored)).unwrap().unwrap();
    assert_eq!(unchanged, Endpoint { updated_at: second(60), ..stored.clone() });
    let (url, description) = (EndpointUrl::try_new("https://x.example").unwrap(), FreeText::try_new("new").unwrap());
    let edit = EndpointEdit::Revise {
        url: Some(url.clone()),
        description: Some(description.clone()),
        events: Some(names(&[EventName::PlayerBanned])),
        enabled: None,
    };
    let revised = change(edit).decide(Some(&stored)).unwrap().unwrap();
    let events = names(&[EventName::PlayerBanned]);
    assert_eq!(revised, Endpoint { url, description, events, updated_at: second(60), ..stored });
}

#[test]
fn enabling_an_endpoint_forgets_why_it_was_disabled_and_that_it_failed() {
    for reason in DisabledReason::ALL {
        let stored = Endpoint {
            disabled: Some((reason, second(5))),
            failing_since: Some(second(4)),
            ..endpoint(1, Dialect::Json)
        };
        let enabled = change(revise(None, Some(true))).decide(Some(&stored)).unwrap().unwrap();
        assert_eq!((enabled.disabled, enabled.failing_since), (None, None));
        let disabled = change(revise(None, Some(false))).decide(Some(&stored)).unwrap().unwrap();
        assert_eq!(disabled.disabled, stored.disabled, "it says why at first");
        assert_eq!(disabled.failing_since, stored.failing_since);
    }
    let disabled = change(revise(None, Some(false))).decide(Some(&endpoint(1, Dialect::Json))).unwrap().unwrap();
    assert_eq!(disabled.disabled, Some((DisabledReason::ByRequest, second(60))));
}

#[test]
fn a_form_is_not_told_what_it_has_no_form_for() {
    let form = endpoint(1, Dialect::Kongregate);
    for name in EventName::ALL {
        let decided = change(revise(Some(names(&[name])), None)).decide(Some(&form));
        let is_told = [EventName::WalletChanged, EventName::InventoryChanged].contains(&name);
        assert_eq!(decided.is_ok(), is_told, "{name}");
        assert!(decided.err().is_none_or(|refusal| refusal == EndpointRefusal::NotInDialect));
    }
    let everything = change(revise(Some(EventNames::ALL), None)).decide(Some(&form)).unwrap().unwrap();
    assert_eq!(everything.events, Dialect::Kongregate.speaks_of(), "everything is all that it has a form for");
}

#[test]
fn a_rotation_keeps_the_secret_before_and_forgets_the_one_before_that() {
    for dialect in Dialect::ALL {
        let rotate = |secret: &str, key: &str, until| EndpointEdit::Rotate {
            secret: sealed(secret),
            callback_key: sealed(key),
            until: second(until),
        };
        let first = change(rotate("s2", "k2", 100)).decide(Some(&endpoint(1, dialect))).unwrap().unwrap();
        let expected = Rotating { current: sealed("s2"), previous: Some((sealed("secret"), second(100))) };
        assert_eq!(first.secret, expected);
        let key = Rotating { current: sealed("k2"), previous: Some((sealed("key"), second(100))) };
        assert_eq!(first.callback_key, (dialect == Dialect::Kongregate).then_some(key));
        let next = change(rotate("s3", "k3", 200)).decide(Some(&first)).unwrap().unwrap();
        assert_eq!(next.secret.previous, Some((sealed("s2"), second(200))));
        assert_eq!(next.secret.previous_at(second(199)), Some(&sealed("s2")));
        assert_eq!(next.secret.previous_at(second(200)), None, "from then on it is not good");
    }
}

#[test]
fn an_endpoint_that_there_is_not_does_not_change() {
    let rotation = EndpointEdit::Rotate { secret: sealed("s"), callback_key: sealed("k"), until: second(1) };
    for edit in [revise(None, None), rotation, EndpointEdit::Delete] {
        assert_eq!(change(edit).decide(None), Err(EndpointRefusal::NotFound));
    }
    assert_eq!(change(EndpointEdit::Delete).decide(Some(&endpoint(1, Dialect::Json))), Ok(None));
}

#[test]
fn every_edit_has_a_name_of_its_own_in_the_audit_log() {
    let rotation = EndpointEdit::Rotate { secret: sealed("s"), callback_key: sealed("k"), until: second(1) };
    let actions = [revise(None, None), rotation, EndpointEdit::Delete].map(|edit| edit.action());
    assert_eq!(actions, [AuditAction::WebhookChange, AuditAction::WebhookRotateSecret, AuditAction::WebhookDelete]);
}

#[test]
fn a_url_is_bounded_and_without_spaces() {
    for text in ["https://a.example/x?y=z", "x", &"u".repeat(EndpointUrl::CHARS_MAX), "https://münchen.example"] {
        assert_eq!(EndpointUrl::try_new(text).map(|url| url.as_str().to_owned()), Ok(text.to_owned()));
    }
    for text in
        ["", " ", "https://a .example", "https://a\n", "https://a\u{0}", &"u".repeat(EndpointUrl::CHARS_MAX + 1)]
    {
        assert_eq!(EndpointUrl::try_new(text), Err(InvalidEndpointUrl));
    }
}

#[test]
fn reasons_and_dialects_read_back_what_they_write() {
    for reason in DisabledReason::ALL {
        assert_eq!(DisabledReason::parse(reason.as_str()), Some(reason));
    }
    for dialect in Dialect::ALL {
        assert_eq!(Dialect::parse(dialect.as_str()), Some(dialect));
    }
    assert_eq!((DisabledReason::parse("bored"), Dialect::parse("xml")), (None, None));
}
