//! `purser game`.

use domain::tenancy::{Game, Slug};
use serde::Serialize;

use super::{print_json, print_table};
use crate::cli::GameAction;
use crate::config::Settings;
use crate::store::{self, IfAbsent};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GameView {
    id: String,
    name: String,
    studio_id: String,
    studio: String,
    created_at: String,
}

impl GameView {
    fn of(studio: &Slug, game: &Game) -> Self {
        Self {
            id: game.id.0.to_string(),
            name: game.slug.to_string(),
            studio_id: game.studio.0.to_string(),
            studio: studio.to_string(),
            created_at: game.created_at.to_string(),
        }
    }
}

/// Creates or lists games.
pub(crate) async fn run(settings: &Settings, action: GameAction) -> anyhow::Result<()> {
    match action {
        GameAction::Create { studio, name, output } => {
            let store = store::open(settings, IfAbsent::Create).await?;
            let game = store::tenancy(&store).create_game(studio.clone(), name).await?;
            if output.json {
                return print_json(&GameView::of(&studio, &game));
            }
            println!("created game {} ({}) of studio {studio}", game.slug, game.id.0);
        }
        GameAction::List { output } => {
            let store = store::open(settings, IfAbsent::Refuse).await?;
            let games = store::tenancy(&store).games().await?;
            let views: Vec<GameView> = games.iter().map(|(studio, game)| GameView::of(&studio.slug, game)).collect();
            if output.json {
                return print_json(&views);
            }
            let rows = views.into_iter().map(|view| vec![view.studio, view.name, view.id, view.created_at]);
            print_table(&["STUDIO", "NAME", "ID", "CREATED"], rows);
        }
    }
    Ok(())
}
