//! Each type that both schemas name says the same in both: which members there
//! are, which are required, which may be null, which values and variants there
//! are. How a schema says it does not matter.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use loomd_protocol::export;

use crate::root;

/// Facts that differ on purpose: the start of the fact, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("Account[type=chatgpt].email", ALWAYS_WRITTEN),
    ("Thread.projectId", ALWAYS_WRITTEN),
    ("ThreadProjectUpdatedNotification.projectId", ALWAYS_WRITTEN),
    ("ThreadSectionChangedNotification.sectionId", ALWAYS_WRITTEN),
    (
        "AppsListResponse.data[]",
        "the vendor's catalogue, always empty here",
    ),
    ("Config.analytics", PASSED_ON),
    ("Config.apps", PASSED_ON),
    ("Config.browser_use", PASSED_ON),
    ("Config.computer_use", PASSED_ON),
    ("ConfigRequirementsReadResponse.requirements", PASSED_ON),
    (
        "McpServerElicitationRequestParams[mode=form].requestedSchema",
        PASSED_ON,
    ),
    ("RawResponseItemCompletedNotification.item", PASSED_ON),
    ("ThreadResumeParams.history", PASSED_ON),
    ("ThreadTimelineEntry[type=realtime].item", PASSED_ON),
    (
        "CodexErrorInfo: string",
        "the reference reads classes it does not know; this server only writes",
    ),
    (
        "FunctionCallOutputContentItem[type=input_audio].",
        ONE_OF_TWO,
    ),
    (
        "FunctionCallOutputContentItem[type=input_image].",
        ONE_OF_TWO,
    ),
    ("ThreadItem[type=imageGeneration].fileId", ONE_OF_TWO),
    ("ThreadItem[type=imageGeneration].result", ONE_OF_TWO),
    (
        "ThreadItem[type=imageGeneration].inputImages: null",
        "none and an empty list are both left out",
    ),
    ("UserInput[type=audio].", ONE_OF_TWO),
    ("UserInput[type=image].", ONE_OF_TWO),
];

const ALWAYS_WRITTEN: &str =
    "required and nullable there: always written here, null counts as absent when read";
const PASSED_ON: &str = "opaque here: passed on as it comes";
const ONE_OF_TWO: &str = "there exactly one of two members must be there; here both are optional";

/// Types that only this vocabulary names. All others must be compared.
const OWN_NAMES: &[&str] = &["GetAuthStatusParams", "GetAuthStatusResponse"];

type Facts = BTreeSet<String>;

/// One schema document, and the names that are not looked into.
struct Document<'a> {
    definitions: &'a Map<String, Value>,
    shared: &'a BTreeSet<String>,
}

impl Document<'_> {
    fn facts(&self, name: &str) -> Facts {
        let mut facts = Facts::new();
        self.collect(&self.definitions[name], name, &mut facts);
        facts
    }

    fn collect(&self, schema: &Value, path: &str, facts: &mut Facts) {
        let Some(object) = schema.as_object() else {
            facts.insert(format!("{path}: anything"));
            return;
        };
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            self.follow(reference, path, facts);
            return;
        }
        if let Some([only]) = object
            .get("allOf")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
        {
            self.collect(only, path, facts);
            return;
        }
        let options = object.get("oneOf").or_else(|| object.get("anyOf"));
        match options.and_then(Value::as_array) {
            Some(options) => self.alternatives(options, object, path, facts),
            None if object.contains_key("properties") => {
                self.members(object, &Map::new(), path, facts);
            }
            None => self.plain(object, path, facts),
        }
    }

    fn follow(&self, reference: &str, path: &str, facts: &mut Facts) {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        if self.shared.contains(name) {
            facts.insert(format!("{path} -> {name}"));
        } else {
            self.collect(&self.definitions[name], path, facts);
        }
    }

    /// Variants. Members beside them belong to each of them.
    fn alternatives(
        &self,
        options: &[Value],
        beside: &Map<String, Value>,
        path: &str,
        facts: &mut Facts,
    ) {
        for option in options {
            let option = self.resolved(option);
            match option.as_object() {
                Some(object) if object.contains_key("properties") => {
                    self.members(object, beside, path, facts);
                }
                Some(object)
                    if object.get("type") == Some(&"object".into())
                        && !object.contains_key("additionalProperties") =>
                {
                    self.members(object, beside, path, facts);
                }
                Some(_) | None => self.collect(option, path, facts),
            }
        }
    }

    /// A variant that has a name in one document only is looked into.
    fn resolved<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let reference = schema.get("$ref").and_then(Value::as_str);
        match reference.and_then(|reference| reference.rsplit('/').next()) {
            Some(name) if !self.shared.contains(name) => self.resolved(&self.definitions[name]),
            Some(_) | None => schema,
        }
    }

    fn members(
        &self,
        object: &Map<String, Value>,
        beside: &Map<String, Value>,
        path: &str,
        facts: &mut Facts,
    ) {
        let mut members: BTreeMap<&str, (&Value, bool)> = BTreeMap::new();
        for part in [beside, object] {
            let required = part.get("required").and_then(Value::as_array);
            let properties = part.get("properties").and_then(Value::as_object);
            for (name, schema) in properties.into_iter().flatten() {
                let required = required.is_some_and(|names| names.contains(&name.as_str().into()));
                members.insert(name, (schema, required));
            }
        }
        let tag = members.iter().find_map(|(name, (schema, required))| {
            let value = self.only_value(schema)?;
            required.then(|| (*name, value))
        });
        let path = match (tag, members.len()) {
            (Some((name, value)), _) => {
                members.remove(name);
                format!("{path}[{name}={value}]")
            }
            (None, _) => path.to_owned(),
        };
        facts.insert(format!("{path}: object"));
        for (name, (schema, required)) in members {
            let mark = if required { "!" } else { "?" };
            facts.insert(format!("{path}.{name}{mark}"));
            self.collect(schema, &format!("{path}.{name}"), facts);
        }
    }

    /// The value of a tag.
    fn only_value(&self, schema: &Value) -> Option<String> {
        if let Some(value) = schema.get("const") {
            return value.as_str().map(str::to_owned);
        }
        match schema
            .get("enum")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
        {
            Some([only]) => only.as_str().map(str::to_owned),
            Some(_) | None => None,
        }
    }

    fn plain(&self, object: &Map<String, Value>, path: &str, facts: &mut Facts) {
        if let Some(value) = object.get("const") {
            facts.insert(format!("{path} = {value}"));
            return;
        }
        if let Some(values) = object.get("enum").and_then(Value::as_array) {
            facts.extend(values.iter().map(|value| format!("{path} = {value}")));
            return;
        }
        let types: Vec<&str> = match object.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            Some(_) | None => {
                facts.insert(format!("{path}: anything"));
                return;
            }
        };
        for name in types {
            self.typed(name, object, path, facts);
        }
    }

    fn typed(&self, name: &str, object: &Map<String, Value>, path: &str, facts: &mut Facts) {
        match name {
            "array" => {
                facts.insert(format!("{path}: array"));
                let items = object.get("items").unwrap_or(&Value::Bool(true));
                self.collect(items, &format!("{path}[]"), facts);
            }
            "object" => match object.get("additionalProperties") {
                Some(values) if *values != Value::Bool(false) => {
                    facts.insert(format!("{path}: map"));
                    self.collect(values, &format!("{path}{{}}"), facts);
                }
                Some(_) | None => {
                    facts.insert(format!("{path}: object"));
                }
            },
            "integer" => {
                // A size of this machine in the reference is 64 bits here.
                let format = object.get("format").and_then(Value::as_str);
                let format = if format == Some("uint") {
                    Some("uint64")
                } else {
                    format
                };
                facts.insert(format!("{path}: {}", format.unwrap_or("integer")));
            }
            other => {
                facts.insert(format!("{path}: {other}"));
            }
        }
    }
}

fn compare(kind: &str, experimental: bool) {
    let path = root().join(format!("schema/reference/0.169.0/{kind}.json"));
    let text = std::fs::read_to_string(path).expect("the reference is committed");
    let theirs: Value = serde_json::from_str(&text).expect("the reference is JSON");
    let ours = export::bundle(experimental);
    let definitions = |document: &Value| {
        document["definitions"]
            .as_object()
            .cloned()
            .expect("definitions")
    };
    let (theirs_all, ours_all) = (definitions(&theirs), definitions(&ours));
    let shared: BTreeSet<String> = ours_all
        .keys()
        .filter(|name| theirs_all.contains_key(*name))
        .cloned()
        .collect();
    let own = ours_all.keys().filter(|name| !shared.contains(*name));
    for name in own {
        assert!(
            OWN_NAMES.contains(&name.as_str()),
            "{name} is not a name of the reference"
        );
    }
    let theirs_document = Document {
        definitions: &theirs_all,
        shared: &shared,
    };
    let ours_document = Document {
        definitions: &ours_all,
        shared: &shared,
    };

    let mut differences = Vec::new();
    let mut used = BTreeSet::new();
    for name in &shared {
        let (theirs, ours) = (theirs_document.facts(name), ours_document.facts(name));
        let missing = theirs.difference(&ours).map(|fact| (fact, "missing"));
        let extra = ours
            .difference(&theirs)
            .map(|fact| (fact, "not in the reference"));
        for (fact, what) in missing.chain(extra) {
            match EXCEPTIONS.iter().find(|(start, _)| fact.starts_with(start)) {
                Some((start, _)) => {
                    used.insert(*start);
                }
                None => differences.push(format!("{fact}    {what}")),
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{kind}: {} differences\n{}",
        differences.len(),
        differences.join("\n")
    );
    if experimental {
        let unused: Vec<_> = EXCEPTIONS
            .iter()
            .filter(|(start, _)| !used.contains(start))
            .collect();
        assert!(unused.is_empty(), "exceptions no longer needed: {unused:?}");
    }
}

#[test]
fn experimental_types_say_what_the_reference_says() {
    compare("experimental", true);
}

#[test]
fn stable_types_say_what_the_reference_says() {
    compare("stable", false);
}
