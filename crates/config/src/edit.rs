//! One edit of a TOML document that leaves everything else as it was written.

use serde_json::Value as Json;
use toml_edit::{Array, DocumentMut, Formatted, InlineTable, Item, Table, TableLike, Value};

use crate::value::NoToml;
use crate::write::MergeStrategy;

/// Sets or, for null, removes the value at `path`, which is not empty.
pub(crate) fn apply(
    document: &mut DocumentMut,
    path: &[String],
    value: &Json,
    strategy: MergeStrategy,
) -> Result<(), String> {
    let Some((key, parents)) = path.split_last() else {
        return Ok(());
    };
    if value.is_null() {
        remove(document, parents, key);
        return Ok(());
    }
    let item = new_item(value).map_err(|why| format!("invalid value: {}", why.text()))?;
    let place = make_parents(document, parents)?;
    put(place, key, item, strategy);
    Ok(())
}

/// A table to write into, and whether it is written on one line, where nothing but
/// values may stand.
struct Place<'a> {
    table: &'a mut dyn TableLike,
    inline: bool,
}

fn remove(document: &mut DocumentMut, parents: &[String], key: &str) {
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for part in parents {
        let Some(inner) = table.get_mut(part).and_then(Item::as_table_like_mut) else {
            return;
        };
        table = inner;
    }
    table.remove(key);
}

fn make_parents<'a>(
    document: &'a mut DocumentMut,
    parents: &[String],
) -> Result<Place<'a>, String> {
    let mut place = Place {
        table: document.as_table_mut(),
        inline: false,
    };
    for part in parents {
        if !place.table.contains_key(part) {
            let parent = new_parent(place.table.is_dotted());
            place.table.insert(part, parent);
        }
        let item = place.table.get_mut(part);
        place = item
            .and_then(open)
            .ok_or("cannot set value on non-table parent")?;
    }
    Ok(place)
}

fn open(item: &mut Item) -> Option<Place<'_>> {
    let inline = item.is_inline_table();
    let table = item.as_table_like_mut()?;
    Some(Place { table, inline })
}

/// A table that gets no header of its own until it holds a value itself. Below a
/// table written with dotted keys it is written that way too.
fn new_parent(dotted: bool) -> Item {
    let mut table = Table::new();
    table.set_implicit(true);
    table.set_dotted(dotted);
    Item::Table(table)
}

fn put(place: Place<'_>, key: &str, item: Item, strategy: MergeStrategy) {
    let Some(old) = place.table.get_mut(key) else {
        place.table.insert(key, item);
        return;
    };
    if let (Item::Table(new), Some(inner)) = (&item, open(old)) {
        if strategy == MergeStrategy::Replace {
            inner.table.clear();
        }
        for (key, item) in new {
            let inner = Place {
                table: &mut *inner.table,
                inline: inner.inline,
            };
            put(inner, key, item.clone(), strategy);
        }
        return;
    }
    let one_line = place.inline || item.is_value();
    match (item.into_value(), one_line) {
        (Ok(mut new), true) => {
            if let Some(old) = old.as_value() {
                *new.decor_mut() = old.decor().clone();
            }
            *old = Item::Value(new);
        }
        (Ok(Value::InlineTable(new)), false) => *old = Item::Table(new.into_table()),
        (Ok(new), false) => *old = Item::Value(new),
        (Err(item), _) => *old = item,
    }
}

fn new_item(value: &Json) -> Result<Item, NoToml> {
    match value {
        Json::Object(entries) => {
            let mut table = Table::new();
            for (key, value) in entries {
                table.insert(key, new_item(value)?);
            }
            Ok(Item::Table(table))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            new_value(value).map(Item::Value)
        }
    }
}

fn new_value(value: &Json) -> Result<Value, NoToml> {
    Ok(match value {
        Json::Null => return Err(NoToml::Null),
        Json::Bool(flag) => Value::Boolean(Formatted::new(*flag)),
        Json::String(text) => Value::String(Formatted::new(text.clone())),
        Json::Number(number) => match (number.as_i64(), number.is_u64(), number.as_f64()) {
            (Some(integer), _, _) => Value::Integer(Formatted::new(integer)),
            (None, false, Some(float)) => Value::Float(Formatted::new(float)),
            (None, true, _) | (None, false, None) => return Err(NoToml::TooLarge),
        },
        Json::Array(items) => Value::Array(
            items
                .iter()
                .map(new_value)
                .collect::<Result<Array, NoToml>>()?,
        ),
        Json::Object(entries) => {
            let mut table = InlineTable::new();
            for (key, value) in entries {
                table.insert(key, new_value(value)?);
            }
            Value::InlineTable(table)
        }
    })
}
