//! Which column of a file holds the stories, or the lines of them.

/// The columns that are looked for, the first that is there being taken.
const USUAL: [&str; 2] = ["text", "story"];

/// Columns that may hold stories where none of the usual ones is there.
const POSSIBLE: [&str; 5] = ["content", "stories", "document", "completion", "body"];

/// The column called `given`, or else the one of `names` that usually holds the text.
///
/// # Errors
/// There is none, or several could be meant: the reason, with the names.
pub fn column_of_text(given: Option<&str>, names: &[&str]) -> Result<String, String> {
    let is_there = |name: &&&str| names.contains(*name);
    if let Some(given) = given {
        let missing = || format!("has no column `{given}`; its columns are {}", names.join(", "));
        return names.contains(&given).then(|| given.to_string()).ok_or_else(missing);
    }
    let possible: Vec<&str> = POSSIBLE.iter().filter(is_there).copied().collect();
    match (USUAL.iter().find(is_there), possible.as_slice()) {
        (Some(name), _) | (None, [name]) => Ok(name.to_string()),
        (None, []) => {
            let missing = format!("has no column `text` or `story`; its columns are {}", names.join(", "));
            Err(format!("{missing}: name one with --set stories.column=NAME"))
        }
        (None, several) => Err(format!(
            "its columns {} may all hold stories: name one with --set stories.column=NAME",
            several.join(", ")
        )),
    }
}
