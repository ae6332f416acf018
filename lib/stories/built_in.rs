//! Writes built-in records: an outline, a plot, a scene, a header.

mod cast;
mod plot;
mod plots;
mod scene;
mod shout;
mod words;

use super::header::{self, Facts, N_WORDS, content_words, random_sentence};
use super::record::{Feature, Record};
use super::sentence::{has_dialogue, words};
use cast::Cast;
use plot::{Outline, Plot};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use scene::Scene;
use shout::shouted;
use std::collections::HashSet;
use words::{Class, WordList, polished};

/// The share of Summaries that tell more than the essentials.
const LONG_SUMMARY_FRAC: f64 = 0.2;

/// Writes `n_records` TinyStories-Instruct records, no two with the same story.
///
/// Record *i* depends on `seed` and *i*, not on `n_records`: more records begin with the same ones.
pub fn built_in(n_records: usize, seed: u64) -> Vec<Record> {
    let (plots, lists) = (plots::all(), words::shared());
    let mut told = HashSet::new();
    let write = |record_idx: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(record_idx as u64);
        loop {
            let record = record(&mut rng, &plots, &lists);
            if told.insert(record.story.clone()) {
                return record;
            }
        }
    };
    (0..n_records).map(write).collect()
}

fn record<R: Rng>(rng: &mut R, plots: &[Plot], lists: &[WordList]) -> Record {
    let outline = outline(rng);
    let Some(plot) = plots.choose(rng) else { panic!("no plots") };
    let (story, facts) = tell(rng, plot, &outline, lists);
    let (fields, fields_after) = header::draw(rng, facts);
    Record { fields, story, fields_after, derived: false }
}

/// Draws features with the published frequencies until there is at least one, which makes their share among records
/// with a `Features:` line right; BadEnding and Twist exclude each other.
fn outline(rng: &mut impl Rng) -> Outline {
    loop {
        let drawn = Feature::ALL.into_iter().filter(|feature| rng.random_bool(header::feature_frac(*feature)));
        let outline = Outline { features: drawn.collect() };
        let both = outline.has(Feature::BadEnding) && outline.has(Feature::Twist);
        if !outline.features.is_empty() && !both {
            return outline;
        }
    }
}

/// Tells a plot: the story's paragraphs, and what a header may say of them.
fn tell<R: Rng>(rng: &mut R, plot: &Plot, outline: &Outline, lists: &[WordList]) -> (Vec<String>, Facts) {
    let cast = Cast::draw(rng, plot.hero, lists);
    let mut scene = Scene::new(rng, cast, plot, lists);
    let story = shouted(paragraphs(&mut scene, plot, outline), scene.rng());
    let words = header_words(&mut scene, &story);
    let summary = summary(&mut scene, plot, outline);
    let mut features = outline.features.clone();
    features.retain(|feature| *feature != Feature::Dialogue || has_dialogue(&story.join(" ")));
    features.shuffle(scene.rng());
    let random_sentence = random_sentence(scene.rng(), &story);
    (story, Facts { features, words, summary, random_sentence })
}

fn paragraphs<R: Rng>(scene: &mut Scene<R>, plot: &Plot, outline: &Outline) -> Vec<String> {
    let mut paragraphs: Vec<String> = Vec::new();
    for beat in &plot.beats {
        let Some(template) = beat.draw(scene.rng(), outline) else { continue };
        let text = scene.fill(template);
        match paragraphs.last_mut() {
            Some(last) if !beat.paragraph && !text.starts_with('"') => *last = format!("{last} {text}"),
            _ => paragraphs.push(text),
        }
    }
    paragraphs.iter().map(|text| polished(text)).collect()
}

/// A noun, a verb and an adjective of those that the scene drew, or other words where it drew none; in any order.
fn header_words<R: Rng>(scene: &mut Scene<R>, story: &[String]) -> Vec<String> {
    let told: HashSet<&str> = story.iter().flat_map(|line| words(line)).collect();
    let mut used = scene.used.clone();
    used.retain(|(class, word)| *class != Class::Other && told.contains(head_word(*class, word)));
    used.shuffle(scene.rng());
    let mut chosen: Vec<String> = Vec::new();
    let firsts = [Class::Noun, Class::Verb, Class::Adjective].map(|class| used.iter().find(|(of, _)| *of == class));
    for (class, word) in firsts.into_iter().flatten().chain(&used) {
        let word = head_word(*class, word).to_string();
        if chosen.len() < N_WORDS && !chosen.contains(&word) {
            chosen.push(word);
        }
    }
    let mut others: Vec<String> = content_words(story).into_iter().filter(|word| !chosen.contains(word)).collect();
    others.shuffle(scene.rng());
    chosen.extend(others.into_iter().take(N_WORDS - chosen.len()));
    chosen.shuffle(scene.rng());
    chosen
}

/// `toy car` is listed as `car`, `climbed trees` as `climbed`.
fn head_word(class: Class, phrase: &str) -> &str {
    let mut words = phrase.split(' ');
    let word = if class == Class::Verb { words.next() } else { words.next_back() };
    word.unwrap_or(phrase)
}

fn summary<R: Rng>(scene: &mut Scene<R>, plot: &Plot, outline: &Outline) -> String {
    let long = scene.rng().random_bool(LONG_SUMMARY_FRAC);
    let notes = plot.notes.iter().filter(|note| note.name == "summary" || long);
    let templates: Vec<&str> = notes.filter_map(|note| note.draw(scene.rng(), outline)).collect();
    let sentences: Vec<String> = templates.into_iter().map(|template| scene.fill(template)).collect();
    polished(&sentences.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every combination of features but BadEnding with Twist.
    fn outlines() -> Vec<Outline> {
        let subset = |bits: usize| Feature::ALL.into_iter().enumerate().filter(move |(i, _)| bits >> i & 1 == 1);
        let outlines = (0..64).map(|bits| Outline { features: subset(bits).map(|(_, feature)| feature).collect() });
        outlines.filter(|outline| !outline.has(Feature::BadEnding) || !outline.has(Feature::Twist)).collect()
    }

    /// Calls `check` on ten stories of each plot and outline.
    fn for_each_story(check: impl Fn(&Plot, &Outline, &mut Scene<ChaCha8Rng>, &[String])) {
        let lists = words::shared();
        for plot in plots::all() {
            for (i, outline) in outlines().iter().enumerate() {
                for seed in 0..10 {
                    let mut rng = ChaCha8Rng::seed_from_u64(100 * i as u64 + seed);
                    let cast = Cast::draw(&mut rng, plot.hero, &lists);
                    let mut scene = Scene::new(&mut rng, cast, &plot, &lists);
                    let story = paragraphs(&mut scene, &plot, outline);
                    check(&plot, outline, &mut scene, &story);
                }
            }
        }
    }

    #[test]
    fn nobody_speaks_unless_the_outline_asks_for_it() {
        for_each_story(|plot, outline, _, story| {
            let text = story.join(" ");
            assert!(outline.has(Feature::Dialogue) || !has_dialogue(&text), "{}: {text}", plot.name);
            assert_eq!(text.matches('"').count() % 2, 0, "{}: {text}", plot.name);
        });
    }

    #[test]
    fn summaries_tell_nothing_that_the_story_does_not() {
        for_each_story(|plot, outline, scene, story| {
            let n_used = scene.used.len();
            let summary = summary(scene, plot, outline);
            for (_, noun) in scene.used[n_used..].iter().filter(|(class, _)| *class == Class::Noun) {
                let last = head_word(Class::Noun, noun);
                let stem = &last[..last.len().min(3)];
                assert!(story.join(" ").contains(stem), "{}: {summary}\n{}", plot.name, story.join("\n"));
            }
            assert!(!summary.is_empty() && !summary.contains(['"', ':']), "{}: {summary}", plot.name);
        });
    }

    #[test]
    fn templates_leave_no_trace() {
        for_each_story(|plot, _, _, story| {
            let text = story.join(" ");
            assert!(!text.contains(['{', '}', '[', ']', '|']) && !text.contains("  "), "{}: {text}", plot.name);
        });
    }
}
