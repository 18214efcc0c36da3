//! Checked values: what remains of the file once every form was read.

use std::collections::BTreeMap;
use std::time::Duration;

use super::forms::{self, ListenAddr};
use super::schema::{Form, Key};
use super::secret::Secret;

/// A value in the form that its key demands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Secret(Secret),
    Flag(bool),
    Count(u64),
    Ratio(f64),
    Size(u64),
    Time(Duration),
    Address(ListenAddr),
    Choice(&'static str),
    Texts(Vec<String>),
    Section(Section),
    Sections(Vec<Section>),
    /// It was given and is wrong; a problem says so.
    Invalid,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The file, or a layer above it.
    Given,
    /// The schema.
    Default,
}

/// The values of one section, by the canonical names of its keys.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) keys: &'static [Key],
    pub(crate) path: String,
    pub(crate) values: BTreeMap<&'static str, (Value, Origin)>,
}

impl PartialEq for Section {
    /// The path says which keys there are, so they need no comparison of their own.
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.values == other.values
    }
}

impl Section {
    pub(crate) fn empty(keys: &'static [Key], path: String) -> Self {
        Self {
            keys,
            path,
            values: BTreeMap::new(),
        }
    }

    /// The path of a key of this section.
    pub(crate) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    fn value(&self, key: &str) -> Option<&Value> {
        debug_assert!(
            self.keys.iter().any(|known| known.name == key),
            "{} is not in the schema",
            self.path_of(key)
        );
        self.values.get(key).map(|(value, _)| value)
    }

    /// Whether the file says something about `key`, right or wrong.
    pub(crate) fn gives(&self, key: &str) -> bool {
        matches!(self.values.get(key), Some((_, Origin::Given)))
    }

    /// Whether what the file says about `key` could not be read at all.
    pub(crate) fn is_wrong(&self, key: &str) -> bool {
        matches!(self.values.get(key), Some((Value::Invalid, _)))
    }

    /// A text, `None` when absent or wrong. The same holds for every reader below: whoever builds
    /// from the tree looks at the problems before it relies on what it built.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.value(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn secret(&self, key: &str) -> Option<&Secret> {
        match self.value(key) {
            Some(Value::Secret(secret)) => Some(secret),
            _ => None,
        }
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match self.value(key) {
            Some(Value::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }

    pub(crate) fn count(&self, key: &str) -> Option<u64> {
        match self.value(key) {
            Some(Value::Count(count)) => Some(*count),
            _ => None,
        }
    }

    pub(crate) fn size(&self, key: &str) -> Option<u64> {
        match self.value(key) {
            Some(Value::Size(size)) => Some(*size),
            _ => None,
        }
    }

    pub(crate) fn time(&self, key: &str) -> Option<Duration> {
        match self.value(key) {
            Some(Value::Time(time)) => Some(*time),
            _ => None,
        }
    }

    pub(crate) fn address(&self, key: &str) -> Option<&ListenAddr> {
        match self.value(key) {
            Some(Value::Address(address)) => Some(address),
            _ => None,
        }
    }

    pub(crate) fn choice(&self, key: &str) -> Option<&'static str> {
        match self.value(key) {
            Some(Value::Choice(choice)) => Some(choice),
            _ => None,
        }
    }

    pub(crate) fn texts(&self, key: &str) -> Option<&[String]> {
        match self.value(key) {
            Some(Value::Texts(texts)) => Some(texts),
            _ => None,
        }
    }

    pub(crate) fn section(&self, key: &str) -> Section {
        match self.value(key) {
            Some(Value::Section(section)) => section.clone(),
            _ => {
                let children = self
                    .keys
                    .iter()
                    .find(|known| known.name == key)
                    .map_or(&[][..], Key::children);
                Self::empty(children, self.path_of(key))
            }
        }
    }

    pub(crate) fn sections(&self, key: &str) -> &[Section] {
        match self.value(key) {
            Some(Value::Sections(sections)) => sections,
            _ => &[],
        }
    }
}

/// The path of `key` below `path`.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Reads a text in the given form. Sections and lists are not texts.
pub(crate) fn read(form: Form, text: &str) -> Result<Value, String> {
    let bound = |inside: bool, low: String, high: String| {
        if inside {
            Ok(())
        } else {
            Err(format!("it lies between {low} and {high}"))
        }
    };
    let value = match form {
        Form::Text | Form::Secret | Form::Path if text.is_empty() => return Err("it is empty".to_owned()),
        Form::Text | Form::Path if text.chars().any(char::is_control) => {
            return Err("it has no control characters".to_owned());
        }
        Form::Text => Value::Text(text.to_owned()),
        Form::Secret => Value::Secret(Secret::new(text.to_owned())),
        Form::Path if !text.starts_with('/') => return Err("it is an absolute path".to_owned()),
        Form::Path => Value::Text(text.to_owned()),
        Form::Flag => Value::Flag(forms::parse_flag(text)?),
        Form::Count(low, high) => {
            let count = text.parse::<u64>().map_err(|_| "it is a whole number")?;
            bound((low..=high).contains(&count), low.to_string(), high.to_string())?;
            Value::Count(count)
        }
        Form::Ratio => match text.parse::<f64>() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => Value::Ratio(ratio),
            _ => return Err("it is a number from 0 to 1".to_owned()),
        },
        Form::Size(low, high) => {
            let size = forms::parse_size(text)?;
            bound(
                (low..=high).contains(&size),
                forms::format_size(low),
                forms::format_size(high),
            )?;
            Value::Size(size)
        }
        Form::Time(low, high) => {
            let time = forms::parse_duration(text)?;
            bound(
                (low..=high).contains(&time),
                forms::format_duration(low),
                forms::format_duration(high),
            )?;
            Value::Time(time)
        }
        Form::Address => Value::Address(forms::parse_address(text)?),
        Form::Choice(choices) => match choices.iter().find(|choice| choice.eq_ignore_ascii_case(text)) {
            Some(choice) => Value::Choice(choice),
            None => return Err(format!("it is one of {}", choices.join(", "))),
        },
        Form::Texts | Form::Section(_) | Form::Sections(_) | Form::Any => {
            return Err(expected(form).to_owned());
        }
    };
    Ok(value)
}

/// What a value of this form looks like, for messages.
pub(crate) fn expected(form: Form) -> &'static str {
    match form {
        Form::Text | Form::Secret => "it is text; write numbers and words such as `true` in quotes",
        Form::Path => "it is an absolute path",
        Form::Flag => "it is true or false",
        Form::Count(..) => "it is a whole number",
        Form::Ratio => "it is a number from 0 to 1",
        Form::Size(..) => "it is a number of bytes, such as 10737418240, 256MB or 10GiB",
        Form::Time(..) => "it is a duration with its unit, such as 500ms, 30s, 5m or 1h30m",
        Form::Address => "it is an address to listen on, such as \":9000\" or \"127.0.0.1:9000\"",
        Form::Choice(_) => "it is one word; write numbers in quotes",
        Form::Texts => "it is a list of texts",
        Form::Section(_) => "it is a section with keys of its own",
        Form::Sections(_) => "it is a list of sections, each beginning with `-`",
        Form::Any => "it is not read",
    }
}
