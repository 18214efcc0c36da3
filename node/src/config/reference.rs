//! The reference page of the configuration, written from the schema.

use std::fmt::Write;

use super::forms::{format_duration, format_size};
use super::schema::{Change, Form, Key, Presence, ROOT, Scope, Standing};

const INTRODUCTION: &str = "\
# Configuration

*Written from the schema in `node/src/config/schema`; a test compares the two. To write it anew:
`UPDATE_REFERENCE=1 cargo test -p node reference_page`.*

One YAML file per node: `holdfast serve --config FILE`. `holdfast config check FILE` names every problem at once,
`holdfast config print FILE` shows what takes effect, defaults filled in, secrets left out.

- `${VAR}` in a value is replaced by the environment variable; one that is not set is an error. `$$` is a dollar, and a
  dollar before anything but `{` or `$` stands for itself. What a variable holds never changes the structure of the
  file, and a number that comes from one is a number.
- Sizes: `10737418240`, `256MB`, `10GiB`. `KB`, `MB`, `GB`, `TB` are powers of 1024, like `KiB`, `MiB`, `GiB`, `TiB`.
- Durations: `500ms`, `30s`, `5m`, `1h30m`, `768h`, `7d`.
- Addresses: `:9000` (every interface), `127.0.0.1:9000`, `[::1]:9000`.
- Access keys, secrets and names are text: in YAML, one that consists of digits is written in quotes.
- An unknown key is an error that names the nearest known one. A key that is named without a value is as good as absent.

Of a key whose feature does not exist yet, ignoring it would either cost data, money or protection, then it is an error
(**not built**), or only speed, comfort or visibility, then it is a warning (**no effect**).

*Where*: **node** keys concern the node whose file they stand in; **cluster** keys must be the same everywhere. Keys
marked with ↻ take effect at a reload (SIGHUP), all others at the next start. The files named by `server.tls` are read
again at every reload.
";

/// The text of `docs/reference/configuration.md`.
#[must_use]
pub fn reference_page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let is_section = |key: &&Key| !key.children().is_empty();
    table(
        "Top level",
        "",
        ROOT.iter().filter(|key| !is_section(key)),
        &mut page,
    );
    for key in ROOT.iter().filter(is_section) {
        section(key, key.name, &mut page);
    }
    page
}

fn section(key: &'static Key, path: &str, page: &mut String) {
    let prefix = match key.form {
        Form::Sections(_) => format!("{path}[]"),
        _ => path.to_owned(),
    };
    let inline = |child: &&Key| matches!(child.form, Form::Section(_) | Form::Sections(_));
    table(
        &format!("`{prefix}`"),
        key.doc,
        key.children().iter().filter(|child| !inline(child)),
        page,
    );
    if let Standing::NoEffect(why) = key.standing {
        // Directly below the heading's sentence, so that no table is read without it.
        let _ = writeln!(page, "\n**No effect**: {why}.");
    }
    for child in key.children().iter().filter(inline) {
        section(child, &format!("{prefix}.{}", child.name), page);
    }
}

fn table(title: &str, doc: &str, keys: impl Iterator<Item = &'static Key>, page: &mut String) {
    let _ = write!(page, "\n## {title}\n\n");
    if !doc.is_empty() {
        let _ = write!(page, "{doc}\n\n");
    }
    page.push_str("| key | form | default | where | meaning |\n|---|---|---|---|---|\n");
    for key in keys {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {}{} |",
            names(key),
            form(key.form),
            default(key),
            place(key),
            key.doc,
            standing(key.standing)
        );
    }
}

fn names(key: &Key) -> String {
    let aliases: String = key
        .aliases
        .iter()
        .map(|alias| format!(" (or `{alias}`)"))
        .collect();
    format!("`{}`{aliases}", key.name)
}

fn form(form: Form) -> String {
    match form {
        Form::Text => "text".to_owned(),
        Form::Secret => "secret text".to_owned(),
        Form::Flag => "true, false".to_owned(),
        Form::Count(low, u64::MAX) => format!("number from {low}"),
        Form::Count(low, high) => format!("number, {low} to {high}"),
        Form::Ratio => "number, 0 to 1".to_owned(),
        Form::Size(low, u64::MAX) => format!("size from {}", format_size(low)),
        Form::Size(low, high) => format!("size, {} to {}", format_size(low), format_size(high)),
        Form::Time(low, high) => format!("duration, {} to {}", format_duration(low), format_duration(high)),
        Form::Address => "address".to_owned(),
        Form::Path => "absolute path".to_owned(),
        Form::Choice(choices) => choices
            .iter()
            .map(|choice| format!("`{choice}`"))
            .collect::<Vec<_>>()
            .join(", "),
        Form::Texts => "list of texts".to_owned(),
        Form::Section(_) => "section".to_owned(),
        Form::Sections(_) => "list of sections".to_owned(),
        Form::Any => "any".to_owned(),
    }
}

fn default(key: &Key) -> String {
    match (key.default, key.presence) {
        (Some(text), _) => format!("`{text}`"),
        (None, Presence::Required) => "required".to_owned(),
        (None, Presence::Optional) => String::new(),
    }
}

fn place(key: &Key) -> String {
    let scope = match key.scope {
        Scope::Node => "node",
        Scope::Cluster => "cluster",
    };
    match key.change {
        Change::Reload => format!("{scope} ↻"),
        Change::Restart => scope.to_owned(),
    }
}

fn standing(standing: Standing) -> String {
    match standing {
        Standing::Works => String::new(),
        Standing::NoEffect(why) => format!(" **No effect**: {why}."),
        Standing::GoesWith(what) => format!(" It {what}."),
        Standing::NotBuilt { harmless: [], why } => format!(" **Not built**: {why}."),
        Standing::NotBuilt { harmless, why } => {
            let values: Vec<_> = harmless.iter().map(|value| format!("`{value}`")).collect();
            format!(
                " **Not built**, so only {} is accepted: {why}.",
                values.join(", ")
            )
        }
        Standing::Gone(instead) => format!(" **Refused**: {instead}."),
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn reference_page_is_the_one_in_the_repository() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/configuration.md");
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::write(&path, reference_page()).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == reference_page(),
            "docs/reference/configuration.md differs from the schema; write it anew with UPDATE_REFERENCE=1"
        );
    }
}
