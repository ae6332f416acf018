//! Models, adapters and crosscoders in and out of other people's forms: `cargo xtask convert`.

use stagediff::crosscoder::formats::{self, model_diffing, sae_lens};
use stagediff::files::write_folder_whole;
use stagediff::language_model::{HookPoint, peft, pretrained};
use stagediff::tch::{Device, Kind};
use stagediff_settings::options::{Parser, Word, is_help, next, value};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask convert model FROM TO [--adapter FOLDER] [--dtype float32|bfloat16|float16]
    a GPT-Neo in any form of Hugging Face's (safetensors, shards, pytorch_model.bin) as one folder that transformers
    reads; with --adapter a PEFT adapter is merged into it
cargo xtask convert crosscoder FROM TO --to stagediff|sae-lens|model-diffing [--hooks NAME,NAME,...]
    a crosscoder in one of three forms as another: our file, a SAELens folder, the published library's state dict
    (safetensors or .pt); where a file names no hook points --hooks does, or those of the last are the embedding and
    every block";

/// Lines of a crosscoder's header that say where it comes from.
const PROVENANCE: [&str; 5] = ["stage", "recipe", "model", "data", "centred"];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match parse(&words).and_then(convert) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is asked for.
#[derive(Debug, PartialEq)]
enum Request {
    Help,
    Model { from: PathBuf, to: PathBuf, adapter: Option<PathBuf>, kind: Kind },
    Crosscoder { from: PathBuf, to: PathBuf, form: Form, hooks: Option<Vec<HookPoint>> },
}

/// A form of crosscoders.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Stagediff,
    SaeLens,
    ModelDiffing,
}

fn parse(words: &[String]) -> Result<Request> {
    let Some((command, rest)) = words.split_first() else { return Ok(Request::Help) };
    if ["help", "--help", "-h"].contains(&command.as_str()) || rest.iter().any(|word| is_help(word)) {
        return Ok(Request::Help);
    }
    let (paths, options) = options_of(rest)?;
    let allow = |known: &[&str]| match options.keys().find(|option| !known.contains(&option.as_str())) {
        Some(option) => Err(format!("`convert {command}` takes no {option}\n\n{USAGE}")),
        None => Ok(()),
    };
    let [from, to] = match (command.as_str(), paths.as_slice()) {
        ("model" | "crosscoder", [from, to]) => [from, to].map(PathBuf::from),
        ("model" | "crosscoder", _) => {
            return Err(format!("`convert {command}` takes FROM and TO, found {} paths\n\n{USAGE}", paths.len()).into());
        }
        (other, _) => return Err(format!("nothing called `{other}` to convert\n\n{USAGE}").into()),
    };
    if command == "model" {
        allow(&["--adapter", "--dtype"])?;
        let adapter = options.get("--adapter").map(PathBuf::from);
        let kind = options.get("--dtype").map_or(Ok(Kind::Float), |name| kind_of(name))?;
        return Ok(Request::Model { from, to, adapter, kind });
    }
    allow(&["--to", "--hooks"])?;
    let form = form_of(options.get("--to").ok_or(format!("`convert crosscoder` needs --to\n\n{USAGE}"))?)?;
    let hooks = options.get("--hooks").map(|names| names.split(',').map(str::parse).collect()).transpose()?;
    Ok(Request::Crosscoder { from, to, form, hooks })
}

/// Paths and options, in whichever order.
fn options_of(words: &[String]) -> Result<(Vec<String>, BTreeMap<String, String>)> {
    let (mut paths, mut options, mut parser) = (Vec::new(), BTreeMap::new(), Parser::from_args(words));
    while let Some(word) = next(&mut parser)? {
        match word {
            Word::Plain(path) => paths.push(path),
            Word::Option(option) => {
                let value = value(&option, &mut parser)?;
                if options.insert(option.clone(), value).is_some() {
                    return Err(format!("`{option}` is given twice").into());
                }
            }
        }
    }
    Ok((paths, options))
}

fn kind_of(name: &str) -> Result<Kind> {
    match name {
        "float32" => Ok(Kind::Float),
        "bfloat16" => Ok(Kind::BFloat16),
        "float16" => Ok(Kind::Half),
        other => Err(format!("--dtype is `{other}`, expected float32, bfloat16 or float16").into()),
    }
}

fn form_of(name: &str) -> Result<Form> {
    match name {
        "stagediff" => Ok(Form::Stagediff),
        "sae-lens" => Ok(Form::SaeLens),
        "model-diffing" => Ok(Form::ModelDiffing),
        other => Err(format!("--to is `{other}`, expected stagediff, sae-lens or model-diffing").into()),
    }
}

fn convert(request: Request) -> Result<String> {
    match request {
        Request::Help => Ok(USAGE.into()),
        Request::Model { from, to, adapter, kind } => {
            let (mut model, tokenizer) = pretrained::load(&from, Device::Cpu)?;
            if let Some(adapter) = adapter {
                peft::load(model.linears_mut(), &adapter)?;
                model.merge();
            }
            write_folder_whole(&to, |to| pretrained::save(to, &model, &tokenizer, kind, &[]))?;
            Ok(format!("{model:?} → {}", to.display()))
        }
        Request::Crosscoder { from, to, form, hooks } => {
            let (crosscoder, mut about) = formats::load(&from, hooks.as_deref(), Device::Cpu)?;
            about.retain(|key, _| PROVENANCE.contains(&key.as_str()));
            write_folder_whole(&to, |to| match form {
                Form::Stagediff => {
                    crosscoder.save(to, &about.iter().map(|(k, v)| (k.as_str(), v.clone())).collect::<Vec<_>>())
                }
                Form::SaeLens => sae_lens::save(&crosscoder, to, &about),
                Form::ModelDiffing => model_diffing::save(&crosscoder, to, &about),
            })?;
            Ok(format!("{crosscoder:?} → {}", to.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stagediff::crosscoder::Crosscoder;
    use stagediff::files::Weights;
    use stagediff::tch::Tensor;
    use std::path::Path;

    fn parsed(line: &str) -> Result<Request> {
        parse(&line.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn paths_and_options_come_in_any_order() {
        let model = Request::Model { from: "a".into(), to: "b".into(), adapter: Some("c".into()), kind: Kind::Half };
        assert_eq!(parsed("model --dtype float16 a --adapter=c b").unwrap(), model);
        let hooks = Some(vec![HookPoint::ResidPre(0), HookPoint::ResidPost(1)]);
        let crosscoder = Request::Crosscoder { from: "a".into(), to: "b".into(), form: Form::SaeLens, hooks };
        let line = "crosscoder a b --to sae-lens --hooks blocks.0.hook_resid_pre,blocks.1.hook_resid_post";
        assert_eq!(parsed(line).unwrap(), crosscoder);
    }

    #[test]
    fn a_crosscoder_goes_through_every_form_and_keeps_its_stage() {
        let folder = std::env::temp_dir().join(format!("stagediff-convert-{}", std::process::id()));
        let path = |name: &str| folder.join(name);
        let opts = (Kind::Float, Device::Cpu);
        let draw = |size: &[i64]| Tensor::rand(size, opts);
        let crosscoder = Crosscoder {
            hooks: HookPoint::residual_stream(2),
            d_model: 4,
            w_enc: draw(&[6, 12]),
            b_enc: draw(&[6]),
            w_dec: draw(&[6, 12]),
            b_dec: draw(&[12]),
            log_threshold: draw(&[6]),
            scale: draw(&[3]) + 0.5,
        };
        crosscoder.save(&path("ours"), &[("stage", "MF".into()), ("log", "long".into())]).unwrap();
        let steps = [
            ("ours", "sae", Form::SaeLens),
            ("sae", "theirs", Form::ModelDiffing),
            ("theirs", "back", Form::Stagediff),
        ];
        for (from, to, form) in steps {
            convert(Request::Crosscoder { from: path(from), to: path(to), form, hooks: None }).unwrap();
        }
        let back = Crosscoder::load(&path("back"), &[("stage", "MF".into())], Device::Cpu).unwrap();
        assert_eq!(back.hooks, crosscoder.hooks);
        for (found, known) in back.params().iter().zip(crosscoder.params()) {
            assert!((found - known).abs().max().double_value(&[]) < 1e-6);
        }
        for named in [vec![HookPoint::ResidPre(0)], HookPoint::residual_stream(2)] {
            let is_own = named == crosscoder.hooks;
            let (from, to, hooks) = (path("ours"), path(&format!("named_{is_own}")), Some(named));
            let done = convert(Request::Crosscoder { from, to, form: Form::Stagediff, hooks });
            assert_eq!(done.is_ok(), is_own);
            assert!(is_own || done.unwrap_err().to_string().contains("not blocks.0.hook_resid_pre"));
        }
        let again = Request::Crosscoder { from: path("ours"), to: path("back"), form: Form::Stagediff, hooks: None };
        assert!(convert(again).unwrap_err().to_string().contains("is there already"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// A folder of the library's cases.
    fn case(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases").join(name)
    }

    #[test]
    fn an_adapter_is_merged_whole_or_nothing_is_written() {
        let folder = std::env::temp_dir().join(format!("stagediff-merge-{}", std::process::id()));
        let merge = |adapter: PathBuf, to: &str| {
            let (from, to) = (case("models/base"), folder.join(to));
            convert(Request::Model { from, to, adapter: Some(adapter), kind: Kind::Float })
        };
        merge(case("adapters/rank_pattern"), "merged").unwrap();
        assert!(folder.join("merged/model.safetensors").exists());
        let empty = folder.join("empty");
        std::fs::create_dir_all(&empty).unwrap();
        std::fs::copy(case("adapters/rslora/adapter_config.json"), empty.join("adapter_config.json")).unwrap();
        Weights::new().write(empty.join("adapter_model.safetensors")).unwrap();
        assert!(merge(empty, "none").unwrap_err().to_string().contains("lacks 8 of the 8 tensors"));
        assert!(!folder.join("none").exists());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (line, part) in [
            ("frobnicate a b", "`frobnicate`"),
            ("model a", "found 1 paths"),
            ("model a b c", "found 3 paths"),
            ("model a b --to sae-lens", "takes no --to"),
            ("model a b --dtype int8", "`int8`, expected float32"),
            ("model a b --dtype", "`--dtype` needs a value"),
            ("model a b --dtype float32 --dtype float16", "given twice"),
            ("crosscoder a b", "needs --to"),
            ("crosscoder a b --to onnx", "`onnx`, expected stagediff"),
            ("crosscoder a b --to sae-lens --hooks blocks.0.embed", "blocks.0.embed"),
        ] {
            let error = parsed(line).unwrap_err().to_string();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
