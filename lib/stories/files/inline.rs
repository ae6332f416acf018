//! Headers that stand in one line: `Features: Dialogue Words: oak, sad Story: Once upon a time, …`.

use crate::stories::record::STORY;

/// The names of the header fields that the format knows.
pub const NAMES: [&str; 4] = ["Features", "Words", "Summary", "Random sentence"];

/// Header and story of a line that holds both, the story with `Story:` before it.
pub fn split_line(line: &str) -> Option<(&str, &str)> {
    let is_header = NAMES.iter().any(|name| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')));
    let at = line.match_indices(STORY).map(|(at, _)| at).find(|&at| line[..at].ends_with(' '))?;
    is_header.then(|| (line[..at].trim(), &line[at..]))
}

/// The fields of a header in one line: each begins where a known name stands after a space.
pub fn cut(header: &str) -> Vec<&str> {
    let is_start = |at: usize| at == 0 || header[..at].ends_with(' ');
    let named = |name: &str| header.match_indices(&format!("{name}:")).map(|(at, _)| at).collect::<Vec<_>>();
    let mut starts: Vec<usize> = NAMES.iter().flat_map(|name| named(name)).filter(|&at| is_start(at)).collect();
    starts.push(0);
    starts.sort_unstable();
    starts.dedup();
    let ends = starts.iter().skip(1).copied().chain([header.len()]);
    starts.iter().zip(ends).map(|(&start, end)| header[start..end].trim()).collect()
}
