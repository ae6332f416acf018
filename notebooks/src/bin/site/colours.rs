//! The colours of stages, quadrants and what is relevant, those of the figures, for the style sheet.

use stagediff::figure::Style;

const NAMES: [&str; 12] = ["S", "D", "M", "DF", "MF", "D0", "M0", "both", "model", "data", "neither", "relevant"];
/// The least contrast of a mark on dark paper.
const LEAST: f64 = 3.5;
/// Dark paper, as in the style sheet.
const DARK: [f64; 3] = [22.0, 24.0, 28.0];

/// `--S: rgb(…)` and so on, for light and for dark paper.
pub fn css() -> String {
    let list = |of: fn([f64; 3]) -> [f64; 3]| -> String {
        let colour = |name: &&str| {
            let (r, g, b) = Style::of(name).map_or((128, 128, 128), |style| style.color);
            let [r, g, b] = of([r, g, b].map(f64::from));
            format!("--{name}: rgb({r:.0} {g:.0} {b:.0}); ")
        };
        NAMES.iter().map(colour).collect()
    };
    let (light, dark) = (list(|colour| colour), list(lifted));
    format!(
        "\n:root {{ {light}}}\n:root[data-theme=\"dark\"] {{ {dark}}}\n\
         @media (prefers-color-scheme: dark) {{ :root:not([data-theme=\"light\"]) {{ {dark}}} }}\n\
         @media print {{ :root, :root[data-theme] {{ {light}}} }}\n"
    )
}

/// A colour made lighter until it is seen on dark paper.
fn lifted(colour: [f64; 3]) -> [f64; 3] {
    let lighter = |step: u32| colour.map(|part| part + (255.0 - part) * f64::from(step) / 20.0);
    (0..=20).map(lighter).find(|colour| contrast(*colour, DARK) >= LEAST).unwrap_or([255.0; 3])
}

/// Contrast of two colours, as the guidelines for accessible pages define it.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let linear = |part: f64| match part / 255.0 {
        low if low <= 0.040_45 => low / 12.92,
        high => ((high + 0.055) / 1.055).powf(2.4),
    };
    let luminance = |[r, g, b]: [f64; 3]| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_that_of_the_guidelines() {
        assert!((contrast([0.0; 3], [255.0; 3]) - 21.0).abs() < 1e-9);
        assert!((contrast([119.0; 3], [255.0; 3]) - 4.48).abs() < 0.01);
    }

    #[test]
    fn every_mark_is_seen_on_dark_paper() {
        for name in NAMES {
            let (r, g, b) = Style::of(name).expect("a style of its own").color;
            assert!(contrast(lifted([r, g, b].map(f64::from)), DARK) >= LEAST, "{name}");
        }
        assert!(css().contains("--S: rgb(34 34 34)"));
    }
}
