//! The plots of the built-in stories, one file each in `plots/`; [`super::plot`] says how to write one.

use super::plot::{Beat, Plot};

macro_rules! plots {
    ($($name:ident)*) => { [$((stringify!($name), include_str!(concat!("plots/", stringify!($name), ".txt")))),*] };
}

/// All plots.
pub fn all() -> Vec<Plot> {
    let shared: Vec<Beat> = Plot::parse("shared", include_str!("plots/shared.txt"), &[]).beats;
    let files = plots! {
        baking birthday boat building dark_noise doctor flattery garden giant greedy honest hurt_animal learning
        lost_toy lost_way magic new_kid old_neighbor picnic race rainy sharing snowman stage stray tidy treasure
    };
    files.into_iter().map(|(name, text)| Plot::parse(name, text, &shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::plot::Outline;
    use super::*;
    use crate::stories::record::Feature;
    use crate::stories::sentence::has_dialogue;

    #[test]
    fn every_beat_can_be_told_without_speech_and_in_several_ways() {
        for plot in all() {
            for beat in plot.beats.iter().filter(|beat| beat.name != "moral") {
                let at = format!("{}, {}", plot.name, beat.name);
                assert!(beat.lines.len() >= 2, "{at}");
                assert!(beat.lines.iter().any(|line| !has_dialogue(line)), "{at}");
            }
        }
    }

    #[test]
    fn every_feature_changes_every_plot() {
        for plot in all() {
            let beats = |features: &[Feature]| {
                let outline = Outline { features: features.to_vec() };
                plot.beats.iter().map(|beat| beat.fits(&outline)).collect::<Vec<_>>()
            };
            for feature in Feature::ALL.into_iter().filter(|feature| *feature != Feature::Dialogue) {
                assert_ne!(beats(&[]), beats(&[feature]), "{}: {feature}", plot.name);
            }
        }
    }

    #[test]
    fn every_outline_has_a_summary() {
        let outcomes: [&[Feature]; 3] = [&[], &[Feature::BadEnding], &[Feature::Twist]];
        for plot in all() {
            for features in outcomes {
                let outline = Outline { features: features.to_vec() };
                let fitting = plot.notes.iter().filter(|note| note.name == "summary" && note.fits(&outline));
                assert_eq!(fitting.count(), 1, "{}: {features:?}", plot.name);
            }
        }
    }
}
