//! What players have played: for profiles and exports, and what a merge must see and store of it.

use diesel::QueryResult;
use diesel::sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::clock::Timestamp;
use domain::lobbies::{
    Lobby, LobbyChange, LobbyId, LobbyMembership, MergedLobby, MergedRanking, Participant, ParticipantChange, Place,
    PlaceChange, PlayCounts, PlayMergeEffect, PlayMergeView, Ranking, RankingId, RankingMembership, Scored,
};
use domain::players::{ExternalId, PlayerId};
use domain::tenancy::RealmId;
use uuid::Uuid;

use super::attempts;
use super::lobby::{self, LobbyColumns, lobby_columns};
use super::ranking::{self, place};
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::lobbies::{LobbyRow, ParticipantRow, RankingRow, participant_of, ranking_of};
use crate::rows::{StoredUuid, time};

/// The SQL types of a player in a lobby.
type ParticipantColumns = (SqlUuid, SqlUuid, BigInt, Nullable<BigInt>, Nullable<BigInt>);

/// The SQL types of a ranking.
type RankingColumns = (SqlUuid, SqlUuid, BigInt, Text, Text, Text);

statement! {
    /// How many attempts, lobbies and rankings a player, by the studio's id, has.
    CountPlay<'a> { realm: i64 => BigInt, external_id: &'a str => Text } -> (BigInt, BigInt, BigInt)
    = "SELECT
            (SELECT count(*) FROM attempts WHERE realm = $1 AND player = owner.id),
            (SELECT count(*) FROM lobby_participants WHERE realm = $1 AND player = owner.id),
            (SELECT count(*) FROM ranking_entries WHERE realm = $1 AND player = owner.id)
        FROM (SELECT id FROM players WHERE realm = $1 AND external_id = $2) AS owner"
}

statement! {
    /// Lobbies of a player before an id, newest first, each with the player in it.
    LobbiesOf { realm: i64 => BigInt, player: Uuid => SqlUuid, before: Uuid => SqlUuid, limit: i64 => BigInt }
    -> (LobbyColumns, ParticipantColumns)
    = concat!("SELECT found.*, participant.*
        FROM (
            SELECT lobby, player, joined_at, score, achieved_at FROM lobby_participants
            WHERE realm = $1 AND player = $2 AND lobby < $3 ORDER BY lobby DESC LIMIT $4
        ) AS participant
        CROSS JOIN LATERAL (
            SELECT ", lobby_columns!(), " FROM lobbies WHERE realm = $1 AND id = participant.lobby LIMIT 1
        ) AS found
        ORDER BY participant.lobby DESC")
}

statement! {
    /// Rankings that a player is in past an id, each with the player's place.
    RankingsOf { realm: i64 => BigInt, player: Uuid => SqlUuid, after: Uuid => SqlUuid, limit: i64 => BigInt }
    -> (RankingColumns, BigInt, BigInt)
    = "SELECT found.*, entry.order_key, entry.achieved_at
        FROM (
            SELECT ranking, order_key, achieved_at FROM ranking_entries
            WHERE realm = $1 AND player = $2 AND ranking > $3 ORDER BY ranking LIMIT $4
        ) AS entry
        CROSS JOIN LATERAL (
            SELECT id, board, period_starts_at, segment, aggregation, sort_order FROM rankings
            WHERE realm = $1 AND id = entry.ranking LIMIT 1
        ) AS found
        ORDER BY entry.ranking"
}

statement! {
    /// All lobbies of a player, by the studio's id, each with the player in it, and with another player who is in it too.
    LobbiesOfTwo<'a> { realm: i64 => BigInt, source: &'a str => Text, target: &'a str => Text }
    -> (LobbyColumns, ParticipantColumns, Nullable<SqlUuid>, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>)
    = concat!("SELECT found.*, participant.*, present.player, present.joined_at, present.score, present.achieved_at
        FROM (SELECT id FROM players WHERE realm = $1 AND external_id = $2) AS source
        CROSS JOIN LATERAL (
            SELECT lobby, player, joined_at, score, achieved_at FROM lobby_participants
            WHERE realm = $1 AND player = source.id ORDER BY lobby OFFSET 0
        ) AS participant
        CROSS JOIN LATERAL (
            SELECT ", lobby_columns!(), " FROM lobbies WHERE realm = $1 AND id = participant.lobby LIMIT 1
        ) AS found
        LEFT JOIN LATERAL (
            SELECT other.player, other.joined_at, other.score, other.achieved_at
            FROM (SELECT id FROM players WHERE realm = $1 AND external_id = $3) AS target
            CROSS JOIN LATERAL (
                SELECT player, joined_at, score, achieved_at FROM lobby_participants
                WHERE realm = $1 AND lobby = participant.lobby AND player = target.id LIMIT 1
            ) AS other
        ) AS present ON true")
}

statement! {
    /// All rankings that a player, by the studio's id, is in, each with the player's place, and that of another player.
    RankingsOfTwo<'a> { realm: i64 => BigInt, source: &'a str => Text, target: &'a str => Text }
    -> (RankingColumns, (BigInt, BigInt, SqlUuid), Nullable<BigInt>, Nullable<BigInt>, Nullable<SqlUuid>)
    = "SELECT found.*, entry.order_key, entry.achieved_at, entry.player,
            present.order_key, present.achieved_at, present.player
        FROM (SELECT id FROM players WHERE realm = $1 AND external_id = $2) AS source
        CROSS JOIN LATERAL (
            SELECT ranking, order_key, achieved_at, player FROM ranking_entries
            WHERE realm = $1 AND player = source.id ORDER BY ranking OFFSET 0
        ) AS entry
        CROSS JOIN LATERAL (
            SELECT id, board, period_starts_at, segment, aggregation, sort_order FROM rankings
            WHERE realm = $1 AND id = entry.ranking LIMIT 1
        ) AS found
        LEFT JOIN LATERAL (
            SELECT other.order_key, other.achieved_at, other.player
            FROM (SELECT id FROM players WHERE realm = $1 AND external_id = $3) AS target
            CROSS JOIN LATERAL (
                SELECT order_key, achieved_at, player FROM ranking_entries
                WHERE realm = $1 AND ranking = entry.ranking AND player = target.id LIMIT 1
            ) AS other
        ) AS present ON true"
}

/// How much `player` has played; nothing for a player whom there is not.
pub(in crate::postgres) async fn counts(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: &ExternalId,
) -> QueryResult<PlayCounts> {
    let statement = CountPlay { realm: realm.0, external_id: player.as_str() };
    let rows: Vec<(i64, i64, i64)> = statement.load(&mut connection).await?;
    let count = |number| u64::try_from(number).unwrap_or(0);
    let counts = rows.into_iter().next().map(|(attempts, lobbies, rankings)| PlayCounts {
        attempts: count(attempts),
        lobbies: count(lobbies),
        rankings: count(rankings),
    });
    Ok(counts.unwrap_or_default())
}

/// Lobbies of `player` before an id, newest first.
pub(in crate::postgres) async fn lobbies_of(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: PlayerId,
    after: Option<LobbyId>,
    limit: u32,
) -> QueryResult<Vec<LobbyMembership>> {
    let before = after.map_or(Uuid::max(), |after| after.0);
    let statement = LobbiesOf { realm: realm.0, player: player.0, before, limit: i64::from(limit) };
    let rows: Vec<(LobbyRow, ParticipantRow)> = statement.load(&mut connection).await?;
    let membership = |(lobby, participant): (LobbyRow, ParticipantRow)| {
        let Participant { joined_at, scored, .. } = participant_of(participant);
        Ok(LobbyMembership { lobby: Lobby::try_from(lobby)?, joined_at, scored })
    };
    rows.into_iter().map(membership).collect()
}

/// Rankings that `player` is in past an id.
pub(super) async fn rankings_of(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: PlayerId,
    after: Option<RankingId>,
    limit: u32,
) -> QueryResult<Vec<RankingMembership>> {
    let after = after.map_or(Uuid::nil(), |after| after.0);
    let statement = RankingsOf { realm: realm.0, player: player.0, after, limit: i64::from(limit) };
    let rows: Vec<(RankingRow, i64, i64)> = statement.load(&mut connection).await?;
    let membership = |(row, order_key, achieved_at)| {
        let ranking: Ranking = ranking_of(row)?;
        let Scored { score, achieved_at } =
            Scored { score: ranking.order.score_of(order_key), achieved_at: time(achieved_at) };
        Ok(RankingMembership { ranking, score, achieved_at })
    };
    rows.into_iter().map(membership).collect()
}

/// What a merge must see of what `source` has played, both players locked. Lobbies are not: the version of one that changes
/// is checked when it is stored.
pub(in crate::postgres) async fn merge_view(
    connection: &AsyncPgConnection,
    realm: RealmId,
    source: &ExternalId,
    target: &ExternalId,
) -> QueryResult<PlayMergeView> {
    let (PlayCounts { attempts, .. }, lobbies, rankings) = tokio::try_join!(
        counts(connection, realm, source),
        lobbies_of_two(connection, realm, source, target),
        rankings_of_two(connection, realm, source, target),
    )?;
    Ok(PlayMergeView { attempts, lobbies, rankings })
}

async fn lobbies_of_two(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    source: &ExternalId,
    target: &ExternalId,
) -> QueryResult<Vec<MergedLobby>> {
    type Row = (LobbyRow, ParticipantRow, Option<StoredUuid>, Option<i64>, Option<i64>, Option<i64>);
    let statement = LobbiesOfTwo { realm: realm.0, source: source.as_str(), target: target.as_str() };
    let rows: Vec<Row> = statement.load(&mut connection).await?;
    let merged = |(lobby, participant, player, joined_at, score, achieved_at): Row| {
        let lobby = Lobby::try_from(lobby)?;
        let target = player
            .zip(joined_at)
            .map(|(player, joined_at)| participant_of((StoredUuid(lobby.id.0), player, joined_at, score, achieved_at)));
        Ok(MergedLobby { lobby, source: participant_of(participant), target })
    };
    rows.into_iter().map(merged).collect()
}

async fn rankings_of_two(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    source: &ExternalId,
    target: &ExternalId,
) -> QueryResult<Vec<MergedRanking>> {
    type Row = (RankingRow, (i64, i64, StoredUuid), Option<i64>, Option<i64>, Option<StoredUuid>);
    let statement = RankingsOfTwo { realm: realm.0, source: source.as_str(), target: target.as_str() };
    let rows: Vec<Row> = statement.load(&mut connection).await?;
    let merged = |(row, source, order_key, achieved_at, player): Row| {
        let target: Option<Place> = order_key
            .zip(achieved_at)
            .zip(player)
            .map(|((order_key, achieved_at), player)| place((order_key, achieved_at, player)));
        Ok(MergedRanking { ranking: ranking_of(row)?, source: place(source), target })
    };
    rows.into_iter().map(merged).collect()
}

/// Stores what becomes of what `source` has played, which was decided on `view`.
pub(in crate::postgres) async fn merge(
    connection: &AsyncPgConnection,
    realm: RealmId,
    (source, target): (PlayerId, PlayerId),
    (view, effect): (&PlayMergeView, &PlayMergeEffect),
    now: Timestamp,
) -> Result<(), Trouble> {
    let lobbies: Vec<&LobbyChange> = effect.lobbies.iter().collect();
    let participants: Vec<&ParticipantChange> = effect.participants.iter().collect();
    let rankings: Vec<&Ranking> = view.rankings.iter().map(|merged| &merged.ranking).collect();
    let places: Vec<PlaceChange> = effect.places.iter().map(|(_, change)| change.clone()).collect();
    attempts::give(connection, realm, (source, target), view.attempts).await?;
    lobby::store(connection, realm, &lobbies).await?;
    lobby::seat(connection, realm, &participants).await?;
    ranking::lock_and_change(connection, realm, &rankings, &places, now).await
}
