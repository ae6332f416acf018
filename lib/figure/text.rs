//! Texts: their font, their sizes, and the room they take.

/// Font of every text: no file is embedded, so only families that are there anyway.
pub(super) const FONT: &str = "Helvetica, Arial, Liberation Sans, sans-serif";
/// Size of the figure's title.
pub(super) const TITLE_PX: f64 = 17.0;
/// Size of panel and axis titles.
pub(super) const AXIS_PX: f64 = 13.0;
/// Size of tick texts and legend.
pub(super) const TICK_PX: f64 = 12.0;
/// Size of texts inside a panel and of the note under the figure.
pub(super) const LABEL_PX: f64 = 11.0;

/// Width of a text in pixels, by the usual widths of a sans-serif font; rather too wide than too narrow.
pub(super) fn width_px(text: &str, size_px: f64) -> f64 {
    let width = |c: char| match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '(' | ')' | '[' | ']'
        | ' ' => 0.34,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '—' => 0.9,
        c if c.is_uppercase() => 0.72,
        c if (c as u32) < 0x1100 => 0.57,
        _ => 1.0,
    };
    text.chars().map(width).sum::<f64>() * size_px
}

/// A text in lines no wider than `room_px`, broken after spaces and the separators of hook point names.
pub(super) fn broken(text: &str, size_px: f64, room_px: f64) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for part in text.split_inclusive([' ', '.', '_', '-', '/']) {
        let last = lines.len() - 1;
        let joined = format!("{}{part}", lines[last]);
        if lines[last].is_empty() || width_px(joined.trim_end(), size_px) <= room_px {
            lines[last] = joined;
        } else {
            lines.push(part.to_string());
        }
    }
    lines.into_iter().map(|line| line.trim_end().to_string()).collect()
}

/// A number that prints with at most so many decimals.
pub(super) fn rounded(value: f64, n_decimals: i32) -> f64 {
    let unit = 10f64.powi(n_decimals);
    // The sum makes a zero of a negative zero, which would print its sign.
    (value * unit).round() / unit + 0.0
}
