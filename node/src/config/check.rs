//! From merged layers to checked values, collecting every problem on the way.

use std::collections::BTreeMap;

use figment::value::{Dict, Num, Tag, Value as Raw};
use figment::{Figment, Profile, Provider};

use super::expand::{Environment, expand};
use super::nearest::nearest;
use super::problem::{Problem, Warning};
use super::schema::{Form, Key, Presence, Standing};
use super::tree::{Origin, Section, Value, expected, join, read};

/// Most characters of a wrong value that a message repeats.
const SHOWN_CHARS: usize = 60;

/// Walks the schema over the merged layers.
pub(crate) struct Check<'a> {
    layers: &'a Figment,
    environment: Environment<'a>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Warning>,
    /// The first secret that each layer holds in clear, by the layer's name.
    pub(crate) secrets: BTreeMap<String, String>,
}

/// Whether keys below may warn on their own, or their section did so for all of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Voice {
    Own,
    Muted,
}

impl<'a> Check<'a> {
    pub(crate) fn new(layers: &'a Figment, environment: Environment<'a>) -> Self {
        Self {
            layers,
            environment,
            problems: Vec::new(),
            warnings: Vec::new(),
            secrets: BTreeMap::new(),
        }
    }

    /// Checks everything.
    pub(crate) fn root(&mut self, keys: &'static [Key]) -> Section {
        let dict = match self.layers.data() {
            Ok(mut profiles) => profiles.remove(&Profile::Default).unwrap_or_default(),
            Err(error) => {
                self.problems.push(Problem::new("", error.to_string()));
                Dict::new()
            }
        };
        self.section(keys, &dict, String::new(), Voice::Own)
    }

    fn section(&mut self, keys: &'static [Key], dict: &Dict, path: String, voice: Voice) -> Section {
        let mut section = Section::empty(keys, path);
        for (name, raw) in dict {
            if !keys.iter().any(|key| key.is_called(name)) {
                self.unknown(name, raw, keys, &section.path);
            }
        }
        for key in keys {
            if let Some(entry) = self.key(key, dict, &section.path, voice) {
                section.values.insert(key.name, entry);
            }
        }
        section
    }

    fn unknown(&mut self, name: &str, raw: &Raw, keys: &'static [Key], path: &str) {
        let mut message = "is not a known key".to_owned();
        if let Some(meant) = nearest(name, keys) {
            message.push_str(&format!("; did you mean {meant}?"));
        }
        self.report(raw.tag(), &join(path, name), message);
    }

    fn key(&mut self, key: &'static Key, dict: &Dict, parent: &str, voice: Voice) -> Option<(Value, Origin)> {
        let mut given = std::iter::once(&key.name)
            .chain(key.aliases)
            .filter_map(|name| dict.get(*name).map(|raw| (*name, raw)))
            .filter(|(_, raw)| !matches!(raw, Raw::Empty(..)));
        let Some((name, raw)) = given.next() else {
            return self.absent(key, parent, voice);
        };
        let path = join(parent, name);
        if let Some((other, raw)) = given.next() {
            self.report(
                raw.tag(),
                &join(parent, other),
                format!("means the same as {path}; give one of them"),
            );
        }
        let value = self.present(key, raw, &path, voice);
        Some((value, Origin::Given))
    }

    fn absent(&mut self, key: &'static Key, parent: &str, voice: Voice) -> Option<(Value, Origin)> {
        let path = join(parent, key.name);
        if key.presence == Presence::Required {
            self.problems.push(Problem::new(path, "is required"));
            return None;
        }
        match (key.form, key.default) {
            (Form::Section(children), _) => {
                let section = self.section(children, &Dict::new(), path, voice);
                Some((Value::Section(section), Origin::Default))
            }
            // That every default can be read is held by a test over the schema.
            (form, Some(text)) => read(form, text).ok().map(|value| (value, Origin::Default)),
            _ => None,
        }
    }

    fn present(&mut self, key: &'static Key, raw: &Raw, path: &str, voice: Voice) -> Value {
        let mut below = voice;
        match key.standing {
            Standing::Gone(instead) => {
                self.report(raw.tag(), path, instead.to_owned());
                return Value::Invalid;
            }
            Standing::NotBuilt { why, .. } if matches!(key.form, Form::Any) => {
                self.report(raw.tag(), path, format!("is not built yet: {why}"));
                return Value::Invalid;
            }
            Standing::NoEffect(why) => {
                if voice == Voice::Own {
                    self.warnings.push(Warning {
                        path: path.to_owned(),
                        message: format!("has no effect: {why}"),
                    });
                }
                below = Voice::Muted;
            }
            Standing::Works | Standing::GoesWith(_) | Standing::NotBuilt { .. } => {}
        }
        let value = self.value(key.form, raw, path, below);
        if let Standing::NotBuilt { harmless, why } = key.standing
            && value != Value::Invalid
            && !harmless
                .iter()
                .any(|text| read(key.form, text).is_ok_and(|same| same == value))
        {
            self.report(raw.tag(), path, format!("is not built yet: {why}"));
        }
        value
    }

    fn value(&mut self, form: Form, raw: &Raw, path: &str, voice: Voice) -> Value {
        match (form, raw) {
            (Form::Section(keys), Raw::Dict(_, dict)) => {
                Value::Section(self.section(keys, dict, path.to_owned(), voice))
            }
            (Form::Sections(keys), Raw::Array(_, items)) => {
                let sections: Vec<_> = items
                    .iter()
                    .enumerate()
                    .filter_map(|(index, item)| self.item(keys, item, path, index, voice))
                    .collect();
                if sections.is_empty() && !items.is_empty() {
                    Value::Invalid
                } else {
                    Value::Sections(sections)
                }
            }
            (Form::Texts, Raw::Array(_, items)) => {
                let texts: Vec<_> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.scalar(Form::Text, item, &format!("{path}[{index}]")))
                    .collect();
                texts
                    .into_iter()
                    .map(|value| match value {
                        Value::Text(text) => Some(text),
                        _ => None,
                    })
                    .collect::<Option<_>>()
                    .map_or(Value::Invalid, Value::Texts)
            }
            (Form::Any, _) => self.any(raw, path),
            _ => self.scalar(form, raw, path),
        }
    }

    /// A value whose form nobody looks at still names variables that must exist.
    fn any(&mut self, raw: &Raw, path: &str) -> Value {
        if let Raw::String(tag, text) = raw {
            self.expanded(*tag, text, path);
        }
        Value::Invalid
    }

    fn item(
        &mut self,
        keys: &'static [Key],
        raw: &Raw,
        path: &str,
        index: usize,
        voice: Voice,
    ) -> Option<Section> {
        let path = format!("{path}[{index}]");
        match raw {
            Raw::Dict(_, dict) => Some(self.section(keys, dict, path, voice)),
            _ => {
                self.report(raw.tag(), &path, expected(Form::Section(keys)).to_owned());
                None
            }
        }
    }

    fn scalar(&mut self, form: Form, raw: &Raw, path: &str) -> Value {
        let tag = raw.tag();
        let result = match (form, raw) {
            (_, Raw::String(_, text)) => {
                let Some(expanded) = self.expanded(tag, text, path) else {
                    return Value::Invalid;
                };
                if matches!(form, Form::Secret) && expanded.is_none() {
                    self.stands_in_clear(tag, path);
                }
                read(form, expanded.as_deref().unwrap_or(text)).map_err(|why| match form {
                    Form::Secret => why,
                    // What a variable holds may be secret; the file's own text is shown instead.
                    _ if expanded.is_some() => format!("the value of {} is wrong: {why}", shown(text)),
                    _ => format!("{} is wrong: {why}", shown(text)),
                })
            }
            (Form::Flag, Raw::Bool(_, flag)) => Ok(Value::Flag(*flag)),
            (Form::Count(..) | Form::Size(..), Raw::Num(_, number)) if !is_float(number) => {
                let read = |text: String| read(form, &text).map_err(|why| format!("{text} is wrong: {why}"));
                number_text(raw).map_or_else(|| Err(expected(form).to_owned()), read)
            }
            (Form::Ratio, Raw::Num(_, number)) => {
                let ratio = number
                    .to_f64()
                    .or_else(|| raw.to_u128().map(|whole| whole as f64));
                ratio.map_or_else(
                    || Err(expected(form).to_owned()),
                    |ratio| read(form, &ratio.to_string()),
                )
            }
            (Form::Time(..), Raw::Num(..)) if raw.to_u128() == Some(0) => read(form, "0"),
            _ => Err(expected(form).to_owned()),
        };
        result.unwrap_or_else(|message| {
            self.report(tag, path, message);
            Value::Invalid
        })
    }

    /// `None` when a variable is missing, `Some(None)` when there was nothing to expand.
    fn expanded(&mut self, tag: Tag, text: &str, path: &str) -> Option<Option<String>> {
        match expand(text, self.environment) {
            Ok(expanded) => Some(expanded),
            Err(problems) => {
                for problem in problems {
                    self.report(tag, path, problem);
                }
                None
            }
        }
    }

    fn stands_in_clear(&mut self, tag: Tag, path: &str) {
        if let Some(layer) = self.layers.get_metadata(tag) {
            self.secrets
                .entry(layer.name.to_string())
                .or_insert_with(|| path.to_owned());
        }
    }

    fn report(&mut self, tag: Tag, path: &str, message: String) {
        let several = self.layers.metadata().nth(1).is_some();
        let layer = self
            .layers
            .get_metadata(tag)
            .filter(|_| several)
            .map(|layer| layer.name.to_string());
        self.problems.push(Problem {
            path: path.to_owned(),
            message,
            layer,
        });
    }
}

fn is_float(number: &Num) -> bool {
    matches!(number, Num::F32(_) | Num::F64(_))
}

fn number_text(raw: &Raw) -> Option<String> {
    raw.to_u128()
        .map(|number| number.to_string())
        .or_else(|| raw.to_i128().map(|number| number.to_string()))
}

fn shown(text: &str) -> String {
    if text.chars().count() <= SHOWN_CHARS {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(SHOWN_CHARS).collect();
    format!("{start:?}…")
}
