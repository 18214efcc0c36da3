//! The configuration as it takes effect: defaults filled in, secrets left out.

use std::fmt::{self, Write};

use super::forms::{format_duration, format_size};
use super::schema::{Change, Key, Standing};
use super::tree::{Origin, Section, Value};

/// What is written where a secret stands.
pub const REDACTED: &str = "<secret>";

/// Spaces of one level of YAML.
pub(super) const INDENT: usize = 2;

/// A configuration with every default, to be shown and compared. `Display` writes YAML without
/// secrets.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective(pub(super) Section);

/// A key whose value differs between two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Dotted path of the key; that of the list for anything within a list.
    pub path: String,
    /// When the new value takes effect.
    pub takes_effect: TakesEffect,
}

/// When a changed value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakesEffect {
    /// At a reload.
    Now,
    /// At the next start.
    AtRestart,
}

impl Effective {
    /// The keys that differ in `newer`, in the order of the reference page.
    #[must_use]
    pub fn differences(&self, newer: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        differences(&self.0, &newer.0, &mut found);
        found
    }
}

fn differences(old: &Section, new: &Section, found: &mut Vec<Difference>) {
    for key in old.keys {
        let value = |section: &Section| section.values.get(key.name).map(|(value, _)| value.clone());
        match (value(old), value(new)) {
            (Some(Value::Section(old)), Some(Value::Section(new))) => differences(&old, &new, found),
            // Where a value stands in a list says nothing about what it is compared with.
            (old_value, new_value) if !same(old_value.as_ref(), new_value.as_ref()) => {
                found.push(Difference {
                    path: old.path_of(key.name),
                    takes_effect: match key.change {
                        Change::Reload => TakesEffect::Now,
                        Change::Restart => TakesEffect::AtRestart,
                    },
                });
            }
            _ => {}
        }
    }
}

/// Equal in value, whether given or by default.
fn same(old: Option<&Value>, new: Option<&Value>) -> bool {
    match (old, new) {
        (Some(Value::Sections(old)), Some(Value::Sections(new))) => {
            old.len() == new.len()
                && old.iter().zip(new).all(|(old, new)| {
                    let mut found = Vec::new();
                    differences(old, new, &mut found);
                    found.is_empty()
                })
        }
        (old, new) => old == new,
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write_section(&self.0, 0, &mut text)?;
        f.write_str(&text)
    }
}

/// Keys of features that do not exist are shown only where the file names them, and those that go with
/// another key of their section only beside one that does.
fn is_shown(key: &Key, origin: Origin, section: &Section) -> bool {
    match key.standing {
        _ if origin == Origin::Given => true,
        Standing::Works | Standing::NotBuilt { .. } => true,
        Standing::GoesWith(_) => section.keys.iter().any(|other| decides(other, section)),
        Standing::NoEffect(_) | Standing::Gone(_) => false,
    }
}

/// Whether this key was given and switches something on.
fn decides(key: &Key, section: &Section) -> bool {
    key.standing == Standing::Works && section.gives(key.name)
}

fn write_section(section: &Section, depth: usize, out: &mut String) -> fmt::Result {
    let indent = " ".repeat(depth * INDENT);
    for key in section.keys {
        let Some((value, origin)) = section.values.get(key.name) else {
            continue;
        };
        if !is_shown(key, *origin, section) {
            continue;
        }
        match value {
            Value::Section(below) => {
                let mut inner = String::new();
                write_section(below, depth + 1, &mut inner)?;
                if !inner.is_empty() {
                    write!(out, "{indent}{}:\n{inner}", key.name)?;
                }
            }
            Value::Sections(items) if items.is_empty() => writeln!(out, "{indent}{}: []", key.name)?,
            Value::Sections(items) => {
                writeln!(out, "{indent}{}:", key.name)?;
                for item in items {
                    let mut inner = String::new();
                    write_section(item, depth + 2, &mut inner)?;
                    // The first key of an item stands behind its dash.
                    let dash = format!("{indent}  - ");
                    out.push_str(&dash);
                    out.push_str(inner.get(dash.len()..).unwrap_or("{}\n"));
                }
            }
            Value::Texts(texts) => {
                let items: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
                writeln!(out, "{indent}{}: [{}]", key.name, items.join(", "))?;
            }
            scalar => writeln!(out, "{indent}{}: {}", key.name, written(scalar))?,
        }
    }
    Ok(())
}

pub(super) fn written(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::Secret(_) => format!("{REDACTED:?}"),
        Value::Flag(flag) => flag.to_string(),
        Value::Count(count) => count.to_string(),
        Value::Ratio(ratio) => ratio.to_string(),
        Value::Size(size) => format_size(*size),
        Value::Time(time) => format_duration(*time),
        Value::Address(address) => quoted(&address.to_string()),
        Value::Choice(choice) => quoted(choice),
        Value::Texts(_) | Value::Section(_) | Value::Sections(_) | Value::Invalid => "null".to_owned(),
    }
}

/// Plain where YAML could not take it for anything but text, else in double quotes. A dollar is
/// doubled, so that what is printed can be read again.
pub(super) fn quoted(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    let starts_plain = text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'/');
    if starts_plain && text.bytes().all(plain) && !WORDS.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    serde_json::Value::from(text.replace('$', "$$")).to_string()
}
