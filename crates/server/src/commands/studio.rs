//! `purser studio`.

use domain::tenancy::Studio;
use serde::Serialize;

use super::{print_json, print_table};
use crate::cli::StudioAction;
use crate::config::Settings;
use crate::store::{self, IfAbsent};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StudioView {
    id: String,
    name: String,
    created_at: String,
}

impl From<&Studio> for StudioView {
    fn from(studio: &Studio) -> Self {
        Self { id: studio.id.0.to_string(), name: studio.slug.to_string(), created_at: studio.created_at.to_string() }
    }
}

/// Creates or lists studios.
pub(crate) async fn run(settings: &Settings, action: StudioAction) -> anyhow::Result<()> {
    match action {
        StudioAction::Create { name, output } => {
            let store = store::open(settings, IfAbsent::Create).await?;
            let studio = store::tenancy(&store).create_studio(name).await?;
            if output.json {
                return print_json(&StudioView::from(&studio));
            }
            println!("created studio {} ({})", studio.slug, studio.id.0);
        }
        StudioAction::List { output } => {
            let store = store::open(settings, IfAbsent::Refuse).await?;
            let studios = store::tenancy(&store).studios().await?;
            let views: Vec<StudioView> = studios.iter().map(StudioView::from).collect();
            if output.json {
                return print_json(&views);
            }
            print_table(
                &["NAME", "ID", "CREATED"],
                views.into_iter().map(|view| vec![view.name, view.id, view.created_at]),
            );
        }
    }
    Ok(())
}
