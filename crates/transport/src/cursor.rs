//! Cursors: where the next page begins, as opaque text. A cursor names a row, so pages neither skip nor repeat one.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::audit_log::AuditId;
use domain::economy::{GrantId, Position};
use domain::keys::KeyId;
use domain::lobbies::{BoardId, EventId, LobbyId};
use domain::webhooks::{DeliveryId, FeedPosition};
use uuid::Uuid;

/// The first byte of a cursor tells which list it belongs to.
const LEDGER: u8 = b'l';
const GRANTS: u8 = b'g';
const AUDIT: u8 = b'a';
const LOBBIES: u8 = b'o';
const EVENTS: u8 = b'e';
const BOARDS: u8 = b'b';
const DELIVERIES: u8 = b'd';
const FEED: u8 = b'f';
const KEYS: u8 = b'k';

/// The text is not a cursor of this list.
#[derive(Debug)]
pub(crate) struct InvalidCursor;

impl fmt::Display for InvalidCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("must be the `next` of an earlier page of this list")
    }
}

/// The cursor after the ledger row at `position`.
pub(crate) fn after_position(position: Position) -> String {
    encode(LEDGER, &position.to_be_bytes())
}

/// Reads [`after_position`] back.
pub(crate) fn parse_position(cursor: &str) -> Result<Position, InvalidCursor> {
    let bytes = decode(LEDGER, cursor)?;
    let position = bytes.try_into().map(Position::from_be_bytes).map_err(|_| InvalidCursor)?;
    if position < 0 { Err(InvalidCursor) } else { Ok(position) }
}

/// The cursor after the grant `id`.
pub(crate) fn after_grant(id: GrantId) -> String {
    encode(GRANTS, id.0.as_bytes())
}

/// Reads [`after_grant`] back.
pub(crate) fn parse_grant(cursor: &str) -> Result<GrantId, InvalidCursor> {
    let bytes = decode(GRANTS, cursor)?;
    bytes.try_into().map(|bytes| GrantId(Uuid::from_bytes(bytes))).map_err(|_| InvalidCursor)
}

/// The cursor after the audit entry `id`.
pub(crate) fn after_audit(id: AuditId) -> String {
    encode(AUDIT, id.0.as_bytes())
}

/// Reads [`after_audit`] back.
pub(crate) fn parse_audit(cursor: &str) -> Result<AuditId, InvalidCursor> {
    let bytes = decode(AUDIT, cursor)?;
    bytes.try_into().map(|bytes| AuditId(Uuid::from_bytes(bytes))).map_err(|_| InvalidCursor)
}

/// The cursor after the lobby `id`.
pub(crate) fn after_lobby(id: LobbyId) -> String {
    encode(LOBBIES, id.0.as_bytes())
}

/// Reads [`after_lobby`] back.
pub(crate) fn parse_lobby(cursor: &str) -> Result<LobbyId, InvalidCursor> {
    let bytes = decode(LOBBIES, cursor)?;
    bytes.try_into().map(|bytes| LobbyId(Uuid::from_bytes(bytes))).map_err(|_| InvalidCursor)
}

/// The cursor after the event `id`.
pub(crate) fn after_event(id: EventId) -> String {
    encode(EVENTS, id.0.as_bytes())
}

/// Reads [`after_event`] back.
pub(crate) fn parse_event(cursor: &str) -> Result<EventId, InvalidCursor> {
    let bytes = decode(EVENTS, cursor)?;
    bytes.try_into().map(|bytes| EventId(Uuid::from_bytes(bytes))).map_err(|_| InvalidCursor)
}

/// The cursor after the leaderboard `id`.
pub(crate) fn after_board(id: BoardId) -> String {
    encode(BOARDS, id.0.as_bytes())
}

/// Reads [`after_board`] back.
pub(crate) fn parse_board(cursor: &str) -> Result<BoardId, InvalidCursor> {
    let bytes = decode(BOARDS, cursor)?;
    bytes.try_into().map(|bytes| BoardId(Uuid::from_bytes(bytes))).map_err(|_| InvalidCursor)
}

/// The cursor after the delivery `id`.
pub(crate) fn after_delivery(id: DeliveryId) -> String {
    encode(DELIVERIES, id.0.as_bytes())
}

/// Reads [`after_delivery`] back.
pub(crate) fn parse_delivery(cursor: &str) -> Result<DeliveryId, InvalidCursor> {
    let bytes = decode(DELIVERIES, cursor)?;
    bytes.try_into().map(|bytes| DeliveryId(Uuid::from_bytes(bytes))).map_err(|_| InvalidCursor)
}

/// The cursor after the API key `id`.
pub(crate) fn after_key(id: KeyId) -> String {
    encode(KEYS, id.0.as_bytes())
}

/// Reads [`after_key`] back.
pub(crate) fn parse_key(cursor: &str) -> Result<KeyId, InvalidCursor> {
    let bytes = decode(KEYS, cursor)?;
    bytes.try_into().map(|bytes| KeyId(Uuid::from_bytes(bytes))).map_err(|_| InvalidCursor)
}

/// The cursor after the place `position` of the feed.
pub(crate) fn after_told(FeedPosition(position): FeedPosition) -> String {
    encode(FEED, &position.to_be_bytes())
}

/// Reads [`after_told`] back.
pub(crate) fn parse_told(cursor: &str) -> Result<FeedPosition, InvalidCursor> {
    let bytes = decode(FEED, cursor)?;
    let position = bytes.try_into().map(i64::from_be_bytes).map_err(|_| InvalidCursor)?;
    if position < 0 { Err(InvalidCursor) } else { Ok(FeedPosition(position)) }
}

fn encode(list: u8, row: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(1 + row.len());
    bytes.push(list);
    bytes.extend_from_slice(row);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(list: u8, cursor: &str) -> Result<Vec<u8>, InvalidCursor> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| InvalidCursor)?;
    bytes.strip_prefix(&[list]).map(<[u8]>::to_vec).ok_or(InvalidCursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_what_they_write_and_nothing_else() {
        for position in [0, 1, Position::MAX] {
            assert_eq!(parse_position(&after_position(position)).ok(), Some(position));
        }
        let grant = GrantId(Uuid::from_u128(7));
        assert_eq!(parse_grant(&after_grant(grant)).ok(), Some(grant));
        for bad in ["", "x", "1", "!!!!", &after_grant(grant), &after_position(-1), &format!("{}A", after_position(1))]
        {
            assert!(parse_position(bad).is_err(), "{bad}");
        }
        assert!(parse_grant(&after_position(1)).is_err());
        let entry = AuditId(Uuid::from_u128(8));
        assert_eq!(parse_audit(&after_audit(entry)).ok(), Some(entry));
        let lobby = LobbyId(Uuid::from_u128(9));
        assert_eq!(parse_lobby(&after_lobby(lobby)).ok(), Some(lobby));
        assert!(parse_lobby(&after_grant(grant)).is_err());
        assert!(parse_audit(&after_grant(grant)).is_err() && parse_grant(&after_audit(entry)).is_err());
        let (event, board) = (EventId(Uuid::from_u128(9)), BoardId(Uuid::from_u128(9)));
        assert_eq!(parse_event(&after_event(event)).ok(), Some(event));
        assert_eq!(parse_board(&after_board(board)).ok(), Some(board));
        assert!(parse_event(&after_board(board)).is_err() && parse_board(&after_event(event)).is_err());
        let (delivery, key) = (DeliveryId(Uuid::from_u128(9)), KeyId(Uuid::from_u128(9)));
        assert_eq!(parse_delivery(&after_delivery(delivery)).ok(), Some(delivery));
        assert_eq!(parse_key(&after_key(key)).ok(), Some(key));
        assert!(parse_delivery(&after_key(key)).is_err() && parse_key(&after_delivery(delivery)).is_err());
        for place in [0, 1, i64::MAX].map(FeedPosition) {
            assert_eq!(parse_told(&after_told(place)).ok(), Some(place));
        }
        assert!(parse_told(&after_told(FeedPosition(-1))).is_err() && parse_told(&after_position(1)).is_err());
    }
}
