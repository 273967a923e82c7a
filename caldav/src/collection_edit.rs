//! Changing a `.collection.toml` without touching the rest of it: people who clone the repository write
//! comments into it, and keep its keys in an order of their own.

use crate::collection::{Collection, MAX_COLLECTION_FILE};
use kalends_store::{Error, Objects, Tree};
use std::ops::Range;
use toml::{Table, Value, de::DeTable};

/// The tables that hold dead properties. They stand at the end, and are written anew when one changes.
const PROPERTIES: [&str; 2] = ["property", "member"];

/// The text of the `.collection.toml` of `tree` when it says what `collection` is: the one there is with the
/// changes, or a new one where that cannot be.
///
/// # Errors
/// Those of reading the file there is.
pub(crate) fn file_of(
    collection: &Collection,
    objects: &(impl Objects + ?Sized),
    tree: &Tree,
) -> Result<String, Error> {
    let Some(id) = Collection::stored_id(tree) else { return Ok(collection.to_toml()) };
    let data = objects.object(&id)?.data;
    let edited = std::str::from_utf8(&data).ok().and_then(|text| edited(text, collection));
    Ok(edited.unwrap_or_else(|| collection.to_toml()))
}

/// `text` with the changes; `None` when it does not read as it should then.
fn edited(text: &str, collection: &Collection) -> Option<String> {
    let edited = edit(text, collection)?;
    let reads_so = Collection::parse(edited.as_bytes()).is_ok_and(|read| read == *collection);
    (reads_so && edited.len() <= MAX_COLLECTION_FILE).then_some(edited)
}

fn edit(text: &str, collection: &Collection) -> Option<String> {
    let old: Table = toml::from_str(text).ok()?;
    let new = Table::try_from(collection).ok()?;
    let spans = DeTable::parse(text).ok()?;
    let spans = spans.get_ref();
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    if PROPERTIES.iter().any(|name| old.get(*name) != new.get(*name)) {
        let properties = new.iter().filter(|(key, _)| PROPERTIES.contains(&key.as_str()));
        let properties: Table = properties.map(|(key, value)| (key.clone(), value.clone())).collect();
        let start = first_properties(text).unwrap_or(text.len());
        let mut tables = toml::to_string_pretty(&properties).ok()?;
        if !tables.is_empty() && !text[..start].is_empty() && !text[..start].ends_with("\n\n") {
            tables.insert_str(0, if text[..start].ends_with('\n') { "\n" } else { "\n\n" });
        }
        edits.push((start..text.len(), tables));
    }
    let is_plain = |value: &Value| match value {
        Value::Table(_) => false,
        Value::Array(items) => !items.iter().any(Value::is_table),
        _ => true,
    };
    // New keys come after the last one at the top.
    let plain = spans.iter().filter(|(key, _)| old.get(key.get_ref().as_ref()).is_some_and(is_plain));
    let last = plain.map(|(_, value)| value.span().end).max();
    let end = last.map_or(0, |end| end_of_line(text, end));
    let mut added = String::new();
    for (key, value) in &new {
        if PROPERTIES.contains(&key.as_str()) || old.get(key) == Some(value) {
            continue;
        }
        match spans.get(key.as_str()) {
            Some(place) => edits.push((place.span(), value.to_string())),
            None => added
                .push_str(&toml::to_string_pretty(&Table::from_iter([(key.clone(), value.clone())])).ok()?),
        }
    }
    if !added.is_empty() {
        if end > 0 && !text[..end].ends_with('\n') {
            added.insert(0, '\n');
        }
        edits.push((end..end, added));
    }
    for (key, value) in spans.iter() {
        let name: &str = key.get_ref().as_ref();
        if !new.contains_key(name) && !PROPERTIES.contains(&name) {
            let start = text[..key.span().start].rfind('\n').map_or(0, |at| at + 1);
            edits.push((start..end_of_line(text, value.span().end), String::new()));
        }
    }
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    if edits.windows(2).any(|pair| pair[0].0.end > pair[1].0.start) {
        return None;
    }
    let mut edited = text.to_owned();
    for (range, replacement) in edits.into_iter().rev() {
        edited.replace_range(range, &replacement);
    }
    Some(edited)
}

/// Where the line after this place begins, or the end.
fn end_of_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}

/// Where the first table of dead properties begins.
fn first_properties(text: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let header = line.trim_start().trim_start_matches('[');
        let is_header = line.trim_start().starts_with('[');
        if is_header && PROPERTIES.iter().any(|name| header.trim_start().starts_with(name)) {
            return Some(start);
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dav::xml::{Element, Name};

    const TEXT: &str = "# Mine\ntype = \"calendar\" # as it is\n\n# People see this:\ndisplay-name = \"Work\"\n\
                        order = 3 # third\ncomponents = [\n    \"VEVENT\", # no tasks\n]\n\n[acl] # later\n\
                        bob = \"read\"\n";

    fn change(text: &str, change: impl FnOnce(&mut Collection)) -> String {
        let mut collection = Collection::parse(text.as_bytes()).unwrap();
        change(&mut collection);
        let edited = edited(text, &collection).expect("an edit");
        assert_eq!(Collection::parse(edited.as_bytes()), Ok(collection), "{edited}");
        edited
    }

    #[test]
    fn values_change_where_they_stand() {
        let edited = change(TEXT, |collection| {
            collection.displayname = Some("Büro \"2\"\n".into());
            collection.order = Some(-1);
        });
        for line in
            ["# Mine\n", "type = \"calendar\" # as it is\n", "order = -1 # third\n", "# no tasks", "# later"]
        {
            assert!(edited.contains(line), "{line} in {edited}");
        }
        assert_eq!(edited.find("# People see this:\ndisplay-name = "), TEXT.find("# People see this:"));
    }

    #[test]
    fn keys_come_and_go_without_the_rest() {
        let edited = change(TEXT, |collection| {
            collection.color = Some("#112233".into());
            collection.order = None;
        });
        let expected =
            TEXT.replace("order = 3 # third\n", "").replace("]\n\n[acl]", "]\ncolor = \"#112233\"\n\n[acl]");
        assert_eq!(edited, expected);
        let edited = change("type = \"calendar\"", |collection| collection.order = Some(1));
        assert_eq!(edited, "type = \"calendar\"\norder = 1\n");
    }

    #[test]
    fn dead_properties_are_written_at_the_end() {
        let property = || Element::new(Name::new("urn:x", "p"));
        let one = change(TEXT, |collection| collection.set_dead_property(None, property()));
        assert!(one.starts_with(TEXT), "{one}");
        let two = change(&one, |collection| {
            collection.set_dead_property(Some("a.ics"), property());
            collection.remove_dead_property(None, &Name::new("urn:x", "p"));
            collection.description = Some("d".into());
        });
        assert!(two.contains("# no tasks") && two.contains("# later"), "{two}");
        let none = change(&two, |collection| {
            collection.remove_dead_property(Some("a.ics"), &Name::new("urn:x", "p"));
        });
        assert!(none.starts_with("# Mine\n") && !none.contains("member"), "{none}");
    }

    #[test]
    fn a_text_that_cannot_be_edited_is_given_up() {
        let mut collection = Collection::parse(TEXT.as_bytes()).unwrap();
        collection.set_dead_property(None, Element::new(Name::new("urn:x", "p")));
        // A table after the dead properties would be lost with them.
        let text = format!("[[property]]\nxml = \"<a/>\"\n\n{TEXT}");
        assert_eq!(edited(&text, &collection), None);
        let comment = format!("type = \"calendar\"\n#{}\n", "x".repeat(MAX_COLLECTION_FILE - 30));
        assert_eq!(edited(&comment, &collection), None);
    }
}
