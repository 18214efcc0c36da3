//! The canonical text of the cluster-wide settings, from which their fingerprint is made.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::cluster::Statement;
use super::forms::{format_duration, format_size};
use super::schema::{Key, Scope, Standing};
use super::tree::{Section, Value, read};

/// One line per cluster-wide value that is given and not the default, in the order of the keys'
/// names. Defaults are left out so that a key added later changes nothing until it is set.
pub(super) fn statement(root: &Section) -> Statement {
    let mut out = Zeroizing::new(Vec::new());
    section(root, Scope::Cluster, &mut out);
    Statement(Arc::new(out))
}

fn section(section: &Section, scope: Scope, out: &mut Vec<u8>) {
    for (name, (value, _)) in &section.values {
        let Some(key) = section.keys.iter().find(|key| key.name == *name) else {
            continue;
        };
        if !works(key) {
            continue;
        }
        match value {
            Value::Section(below) => self::section(below, scope, out),
            Value::Sections(items) if key.scope == scope => {
                line(&section.path_of(name), &items.len().to_string(), out);
                items.iter().for_each(|item| self::section(item, scope, out));
            }
            _ if key.scope == scope && matters(key, value) => {
                let text = Zeroizing::new(text(value));
                line(&section.path_of(name), &text, out);
            }
            _ => {}
        }
    }
}

pub(super) fn works(key: &Key) -> bool {
    matches!(
        key.standing,
        Standing::Works | Standing::NotBuilt { .. } | Standing::GoesWith(_)
    )
}

pub(super) fn matters(key: &Key, value: &Value) -> bool {
    !key.default
        .and_then(|text| read(key.form, text).ok())
        .is_some_and(|default| default == *value)
}

/// Lengths in front keep two different statements from having one text.
fn line(path: &str, text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{path}={}:", text.len()).as_bytes());
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Secret(secret) => secret.expose().to_owned(),
        Value::Flag(flag) => flag.to_string(),
        Value::Count(count) => count.to_string(),
        Value::Ratio(ratio) => ratio.to_string(),
        Value::Size(size) => format_size(*size),
        Value::Time(time) => format_duration(*time),
        Value::Address(address) => address.to_string(),
        Value::Choice(choice) => (*choice).to_owned(),
        Value::Texts(texts) => texts
            .iter()
            .map(|text| format!("{}:{text},", text.len()))
            .collect(),
        Value::Section(_) | Value::Sections(_) | Value::Invalid => String::new(),
    }
}
