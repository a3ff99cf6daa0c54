//! Names of places in a line, as a person gives them: a column's name, a path into JSON, or several of which the first that
//! is there counts.

/// Where a value stands in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// The names to try, in this order.
    pub(crate) names: Vec<String>,
    /// Whether a file without it is refused.
    pub(crate) required: bool,
}

impl Column {
    /// One that a person named: it must be there.
    pub(crate) fn given(name: &str) -> Self {
        Self { names: vec![name.to_owned()], required: true }
    }

    /// The first of these that is there; one must be.
    pub(crate) fn one_of(names: &[&str]) -> Self {
        Self { names: names.iter().map(|name| (*name).to_owned()).collect(), required: true }
    }

    /// The first of these that is there, if any is.
    pub(crate) fn perhaps(names: &[&str]) -> Self {
        Self { required: false, ..Self::one_of(names) }
    }

    /// How a person would say it.
    pub(crate) fn shown(&self) -> String {
        self.names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(" or ")
    }
}

/// The steps of a path: a JSON pointer (`/a/b`), or names with full stops between them.
pub(crate) fn steps(name: &str) -> Vec<String> {
    match name.strip_prefix('/') {
        Some(pointer) => pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
        None => name.split('.').map(str::to_owned).collect(),
    }
}

/// What a member of its own would be called: the last step.
pub(crate) fn last_step(name: &str) -> String {
    steps(name).pop().unwrap_or_default()
}
