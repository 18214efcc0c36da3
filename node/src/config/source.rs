//! YAML files as layers of a configuration.
//!
//! A layer is parsed on its own, then figment lays one over the other and remembers which value came
//! from which layer. Lists are replaced as a whole, sections are merged key by key.

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use figment::value::{Dict, Empty, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

use super::problem::Problem;

/// Largest file that is read: far above any real configuration, far below what would hurt.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Permission bits of others; the group may read, as packages install configurations 0640 root:group.
const OTHERS: u32 = 0o007;

/// One parsed layer.
#[derive(Clone)]
pub(crate) struct Layer {
    name: String,
    dict: Dict,
    exposure: Exposure,
}

/// Who may look into a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// Its owner, and a group that somebody chose.
    Kept,
    /// Everybody on the machine, by these permission bits.
    Open(u32),
}

impl Layer {
    /// Reads a file.
    pub(crate) fn file(path: &Path) -> Result<Self, Vec<Problem>> {
        let name = path.display().to_string();
        let (text, exposure) =
            read(path).map_err(|error| vec![Problem::new("", format!("cannot read {name}: {error}"))])?;
        let layer = Self::text(name, &text)?;
        Ok(Self { exposure, ..layer })
    }

    /// What it is called in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Who may look into it.
    pub(crate) fn exposure(&self) -> Exposure {
        self.exposure
    }

    /// Parses YAML that is called `name` in messages.
    pub(crate) fn text(name: impl Into<String>, yaml: &str) -> Result<Self, Vec<Problem>> {
        let name = name.into();
        let found = RefCell::new(Vec::new());
        let root = Node {
            path: String::new(),
            problems: &found,
        };
        let value = match root.deserialize(yaml_serde::Deserializer::from_str(yaml)) {
            Ok(value) => value,
            Err(error) => {
                found
                    .borrow_mut()
                    .push(Problem::new("", format!("{name} is not valid YAML: {error}")));
                Value::from(Dict::new())
            }
        };
        let mut problems = found.into_inner();
        let dict = match value {
            Value::Dict(_, dict) => dict,
            Value::Empty(..) => Dict::new(),
            _ => {
                problems.push(Problem::new(
                    "",
                    format!("{name} does not hold sections such as `server:`"),
                ));
                Dict::new()
            }
        };
        if problems.is_empty() {
            let exposure = Exposure::Kept;
            return Ok(Self { name, dict, exposure });
        }
        for problem in &mut problems {
            problem.layer = (!problem.path.is_empty()).then(|| name.clone());
        }
        Err(problems)
    }

    /// Adds to each of these lists what the layers below have in it, but for items whose name an item
    /// of this layer bears. What stands in this layer keeps its place, so that messages find it.
    pub(crate) fn beside_items_of(mut self, below: &Figment, lists: &[&str]) -> Self {
        for list in lists {
            let Some(Value::Array(_, items)) = self.dict.get_mut(*list) else {
                continue;
            };
            let Ok(Value::Array(_, mut kept)) = below.find_value(list) else {
                continue;
            };
            kept.retain(|item| {
                name_of(item).is_none_or(|name| items.iter().all(|own| name_of(own) != Some(name)))
            });
            items.append(&mut kept);
        }
        self
    }
}

fn name_of(item: &Value) -> Option<&str> {
    item.as_dict()?.get("name")?.as_str()
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.dict.clone())]))
    }
}

fn read(path: &Path) -> std::io::Result<(String, Exposure)> {
    let mut text = String::new();
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let mode = metadata.mode() & 0o7777;
    // A pipe is read by whoever it was made for.
    let exposure = if metadata.is_file() && mode & OTHERS != 0 {
        Exposure::Open(mode)
    } else {
        Exposure::Kept
    };
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            format!("it is larger than {MAX_FILE_BYTES} bytes"),
        ));
    }
    Ok((text, exposure))
}

/// A place in the document. Becomes a figment value; what YAML allows and a configuration does not
/// (keys twice, keys that are no text, tags) is collected, so that it is all reported at once.
struct Node<'a> {
    path: String,
    problems: &'a RefCell<Vec<Problem>>,
}

impl Node<'_> {
    fn report(&self, path: &str, message: &str) {
        self.problems.borrow_mut().push(Problem::new(path, message));
    }

    fn child(&self, path: String) -> Node<'_> {
        Node {
            path,
            problems: self.problems,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a configuration value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Empty(Tag::Default, Empty::Unit))
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) =
            items.next_element_seed(self.child(format!("{}[{}]", self.path, values.len())))?
        {
            values.push(value);
        }
        Ok(Value::from(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut dict = Dict::new();
        while let Some(key) = entries.next_key_seed(self.child(self.path.clone()))? {
            let Value::String(_, key) = key else {
                self.report(&self.path, "a key of this section is not text; quote it");
                entries.next_value::<serde::de::IgnoredAny>()?;
                continue;
            };
            let path = if self.path.is_empty() {
                key.clone()
            } else {
                format!("{}.{key}", self.path)
            };
            if dict.contains_key(&key) {
                self.report(&path, "stands here twice");
            }
            let value = entries.next_value_seed(self.child(path))?;
            dict.insert(key, value);
        }
        Ok(Value::from(dict))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Value, A::Error> {
        use serde::de::VariantAccess;
        self.report(&self.path, "YAML tags (!name) have no meaning here");
        let (_, content) = tagged.variant::<serde::de::IgnoredAny>()?;
        content.newtype_variant::<serde::de::IgnoredAny>()?;
        Ok(Value::Empty(Tag::Default, Empty::Unit))
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
    use proptest::prelude::*;

    use super::*;

    fn problems(yaml: &str) -> Vec<String> {
        match Layer::text("test.yaml", yaml) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn scalars_keep_their_kind() {
        let layer = Layer::text(
            "t",
            "a: text\nb: 12\nc: -3\nd: 1.5\ne: true\nf: '12'\ng:\nh: [1, x]\ni: {j: k}",
        )
        .unwrap();
        let kind = |key: &str| layer.dict[key].actual_kind();
        assert_eq!(kind("a"), "text");
        assert_eq!(kind("f"), "text");
        assert!(layer.dict["b"].to_u128() == Some(12) && layer.dict["c"].to_i128() == Some(-3));
        assert_eq!(layer.dict["e"].to_bool(), Some(true));
        assert!(matches!(layer.dict["g"], Value::Empty(..)));
        assert_eq!(layer.dict["h"].as_array().unwrap().len(), 2);
        assert!(layer.dict["i"].as_dict().is_some());
    }

    trait Kind {
        fn actual_kind(&self) -> &'static str;
    }

    impl Kind for Value {
        fn actual_kind(&self) -> &'static str {
            if self.as_str().is_some() { "text" } else { "other" }
        }
    }

    #[test]
    fn duplicate_keys_strange_keys_and_tags_are_all_reported_at_once() {
        let yaml = "server:\n  a: 1\n  a: 2\nlist:\n  - x: 1\n    x: 2\n7: y\nz: !secret w\n";
        assert_eq!(
            problems(yaml),
            [
                "server.a: stands here twice (in test.yaml)",
                "list[0].x: stands here twice (in test.yaml)",
                "a key of this section is not text; quote it",
                "z: YAML tags (!name) have no meaning here (in test.yaml)",
            ]
        );
    }

    #[test]
    fn broken_yaml_names_the_place() {
        let found = problems("server:\n  listen_addr: [\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("test.yaml is not valid YAML: "), "{found:?}");
        assert!(found[0].contains("line"), "{found:?}");
    }

    #[test]
    fn a_list_or_a_scalar_at_the_top_is_refused_and_an_empty_file_is_empty() {
        assert_eq!(
            problems("- a\n- b\n"),
            ["test.yaml does not hold sections such as `server:`"]
        );
        assert_eq!(
            problems("hello"),
            ["test.yaml does not hold sections such as `server:`"]
        );
        assert!(problems("").is_empty());
        assert!(problems("# nothing\n").is_empty());
        assert_eq!(problems("a: 1\n---\nb: 2\n").len(), 1);
    }

    #[test]
    fn alias_bombs_and_deep_nesting_end_in_a_problem() {
        let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (from, to) in ('a'..='y').zip('b'..='z') {
            bomb.push_str(&format!("{to}: &{to} [{}]\n", format!("*{from},").repeat(9)));
        }
        assert_eq!(problems(&bomb).len(), 1);
        assert_eq!(
            problems(&format!("a: {}1{}", "[".repeat(5000), "]".repeat(5000))).len(),
            1
        );
    }

    #[test]
    fn a_later_layer_replaces_scalars_and_lists_and_merges_sections() {
        let low = Layer::text("low", "server: {a: 1, b: 2}\nlist: [1, 2, 3]").unwrap();
        let high = Layer::text("high", "server: {b: 3}\nlist: [4]").unwrap();
        let merged = Figment::from(low).merge(high);
        assert_eq!(merged.find_value("server.a").unwrap().to_u128(), Some(1));
        assert_eq!(merged.find_value("server.b").unwrap().to_u128(), Some(3));
        assert_eq!(merged.find_value("list").unwrap().into_array().unwrap().len(), 1);
        assert_eq!(merged.find_metadata("server.a").unwrap().name, "low");
        assert_eq!(merged.find_metadata("server.b").unwrap().name, "high");
    }

    #[test]
    fn a_missing_file_and_one_that_is_too_large_are_problems() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Layer::file(&folder.path().join("none.yaml")).err().unwrap();
        assert!(missing[0].message.contains("none.yaml"), "{missing:?}");
        let large = folder.path().join("large.yaml");
        std::fs::write(&large, vec![b'#'; MAX_FILE_BYTES as usize + 1]).unwrap();
        assert!(
            Layer::file(&large).err().unwrap()[0]
                .message
                .contains("larger than")
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(yaml in "\\PC{0,60}|[a-z:\\- \\n\\[\\]{}&*!|>'\"#]{0,60}") {
            let _ = Layer::text("t", &yaml);
        }
    }
}
