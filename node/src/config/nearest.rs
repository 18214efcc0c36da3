//! Which known key somebody may have meant.

use strsim::damerau_levenshtein;

use super::schema::{Form, Key, ROOT};

/// A word of this length or less is too short for "nearest" to mean anything beyond one edit.
const SHORT_WORD: usize = 4;

/// How much a known key resembles a name; less is more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    /// So many edits turn one into the other.
    Edits(usize),
    /// One is the beginning or end of the other (`quota` and `quota_bytes`), which differ by so many.
    Affix(usize),
}

/// The key that is most like `name`: first among `siblings`, then anywhere, and only then one that
/// merely contains it. Returns a path to show: a bare name for a sibling, else a dotted path.
pub(crate) fn nearest(name: &str, siblings: &[Key]) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let sibling = siblings
        .iter()
        .flat_map(|key| std::iter::once(key.name).chain(key.aliases.iter().copied()))
        .filter_map(|known| Some((likeness(&name, known)?, known.to_owned())))
        .min();
    if let Some((Likeness::Edits(_), known)) = sibling {
        return Some(known);
    }
    let mut elsewhere: Option<(Likeness, String)> = None;
    visit(ROOT, "", &mut |path, known| {
        let flattened = path.replace("[]", "").replace('.', "_");
        let near = [likeness(&name, known), likeness(&name, &flattened)]
            .into_iter()
            .flatten()
            .min();
        if let Some(near) = near
            && elsewhere.as_ref().is_none_or(|(best, _)| near < *best)
        {
            elsewhere = Some((near, path.to_owned()));
        }
    });
    match (sibling, elsewhere) {
        (_, Some((Likeness::Edits(_), path))) => Some(path),
        (Some((_, known)), _) => Some(known),
        (None, elsewhere) => elsewhere.map(|(_, path)| path),
    }
}

/// `None` where the two have too little in common.
fn likeness(name: &str, known: &str) -> Option<Likeness> {
    let edits = damerau_levenshtein(name, known);
    let length = name.len().max(known.len());
    let allowed = if length <= SHORT_WORD { 1 } else { length / 3 };
    if edits <= allowed {
        return Some(Likeness::Edits(edits));
    }
    let (short, long) = if name.len() < known.len() {
        (name, known)
    } else {
        (known, name)
    };
    let part_of = |rest: Option<&str>| rest.is_some_and(|rest| rest.starts_with('_') || rest.ends_with('_'));
    (part_of(long.strip_prefix(short)) || part_of(long.strip_suffix(short))).then_some(Likeness::Affix(edits))
}

fn visit(keys: &'static [Key], prefix: &str, each: &mut impl FnMut(&str, &str)) {
    for key in keys {
        let path = if prefix.is_empty() {
            key.name.to_owned()
        } else {
            format!("{prefix}.{}", key.name)
        };
        match key.form {
            Form::Section(children) => {
                each(&path, key.name);
                visit(children, &path, each);
            }
            Form::Sections(children) => {
                each(&path, key.name);
                visit(children, &format!("{path}[]"), each);
            }
            _ => each(&path, key.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_section(section: &str, name: &str) -> Option<String> {
        let siblings = ROOT
            .iter()
            .find(|key| key.name == section)
            .map_or(ROOT, |key| match key.form {
                Form::Section(children) | Form::Sections(children) => children,
                _ => &[],
            });
        nearest(name, siblings)
    }

    #[test]
    fn a_slip_of_the_pen_finds_the_sibling() {
        for (section, name, meant) in [
            ("server", "listen_adr", "listen_addr"),
            ("server", "listenAddr", "listen_addr"),
            ("server", "max_objectsize", "max_object_size"),
            ("", "bucket", "buckets"),
            ("", "sever", "server"),
            ("", "encyrption", "encryption"),
            ("backends", "quota", "quota_bytes"),
            ("backends", "pth", "path"),
            ("users", "secret", "secret_key"),
        ] {
            assert_eq!(
                in_section(section, name).as_deref(),
                Some(meant),
                "{section}.{name}"
            );
        }
    }

    #[test]
    fn a_key_of_another_section_is_found_by_its_name_or_its_flattened_path() {
        assert_eq!(
            in_section("", "replication_factor").as_deref(),
            Some("replication.factor")
        );
        assert_eq!(in_section("server", "data_dir").as_deref(), Some("data_dir"));
        assert_eq!(
            in_section("", "listen_addr").as_deref(),
            Some("server.listen_addr")
        );
    }

    #[test]
    fn what_resembles_nothing_finds_nothing() {
        assert_eq!(in_section("server", "xyzzy_frobnicate"), None);
        assert_eq!(in_section("", "q"), None);
    }
}
