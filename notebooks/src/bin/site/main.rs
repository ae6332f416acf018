//! A run's pages as one folder that opens from disk: `cargo xtask site`.
//!
//! Everything on them is made of the run's tables, figures and executed notebooks. Notebooks are turned into pages here
//! and not by nbconvert: its pages carry styles and scripts of 300 kB each, show no Plotly figure, take two scripts from a
//! network, and let HTML of outputs through as it is.

mod code;
mod colours;
mod figure;
mod folder;
mod html;
mod latents_page;
mod markdown;
mod notebook;
mod notebook_page;
mod overview_page;
mod page;
#[cfg(test)]
mod sample;
mod tables;

use folder::Folder;
use notebook::{Executed, Notebook};
use notebook_page::Context;
use page::Site;
use serde_json::Value;
use stagediff::experiment::site::{Overview, Tables, written};
use stagediff_settings::options::{Parser, Word, is_help, next, value};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
site [--plotly FILE] [--beside FOLDER]... FOLDER...
    makes FOLDER/site of each run's folder; with --plotly (plotly.min.js) figures are interactive, and the latents of the
    runs that are named with --beside can be compared with the run's own";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What every page or the browser needs.
const ASSETS: [(&str, &str); 9] = [
    ("theme.js", include_str!("../../../site/theme.js")),
    ("page.js", include_str!("../../../site/page.js")),
    ("browser/store.js", include_str!("../../../site/browser/store.js")),
    ("browser/show.js", include_str!("../../../site/browser/show.js")),
    ("browser/filter.js", include_str!("../../../site/browser/filter.js")),
    ("browser/table.js", include_str!("../../../site/browser/table.js")),
    ("browser/scatter.js", include_str!("../../../site/browser/scatter.js")),
    ("browser/pane.js", include_str!("../../../site/browser/pane.js")),
    ("browser/main.js", include_str!("../../../site/browser/main.js")),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let made = parse(&words).and_then(|request| match request {
        Some(request) => make_all(&request),
        None => {
            println!("{USAGE}");
            Ok(())
        }
    });
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, Default, PartialEq)]
struct Request {
    runs: Vec<PathBuf>,
    beside: Vec<PathBuf>,
    plotly: Option<PathBuf>,
}

/// What is asked for, nothing where help is.
fn parse(words: &[String]) -> Result<Option<Request>> {
    let (mut request, mut parser) = (Request::default(), Parser::from_args(words));
    while let Some(word) = next(&mut parser)? {
        match word {
            Word::Option(option) if is_help(&option) => return Ok(None),
            Word::Option(option) if option == "--plotly" => request.plotly = Some(value(&option, &mut parser)?.into()),
            Word::Option(option) if option == "--beside" => request.beside.push(value(&option, &mut parser)?.into()),
            Word::Option(option) => return Err(format!("unknown option `{option}`\n\n{USAGE}").into()),
            Word::Plain(folder) => request.runs.push(folder.into()),
        }
    }
    if request.runs.is_empty() {
        return Err(format!("name the folder of a run\n\n{USAGE}").into());
    }
    Ok(Some(request))
}

fn make_all(request: &Request) -> Result<()> {
    request.runs.iter().try_for_each(|run| make(run, &request.beside, request.plotly.as_deref()))
}

/// Makes the site of one run.
fn make(run: &Path, beside: &[PathBuf], plotly: Option<&Path>) -> Result<()> {
    let notebooks = notebooks(run)?;
    let tables = Tables::read(run);
    if notebooks.is_empty() && !run.join("run.json").exists() {
        return Err(format!("{} holds no run: `cargo xtask run` makes one", run.display()).into());
    }
    let manifest = manifest(run)?;
    let about = |notebook: &Notebook| (notebook.name.clone(), notebook.title(), notebook.question());
    let notebook_names = notebooks.iter().map(about).collect();
    let site = Site { run: name(run), notebooks: notebook_names, has_plotly: plotly.is_some() };
    let mut folder = Folder::new(&run.join("site"))?;
    folder.add("assets/site.css", include_str!("../../../site/site.css").to_string() + &colours::css())?;
    for (name, text) in ASSETS {
        folder.add(&format!("assets/{name}"), text)?;
    }
    if let Some(plotly) = plotly {
        let script = std::fs::read(plotly).map_err(|error| format!("{}: {error}", plotly.display()))?;
        folder.add("assets/plotly.min.js", script)?;
    }
    overview_page::add(&site, &Overview::of(&tables, &manifest), &tables.missing, &mut folder)?;
    let settings = settings(&manifest);
    let context = Context { site: &site, run, settings: &settings };
    notebooks.iter().try_for_each(|notebook| notebook_page::add(&context, notebook, &mut folder))?;
    let mut runs = vec![(name(run), tables)];
    runs.extend(beside.iter().filter(|other| *other != run).map(|other| (name(other), Tables::read(other))));
    latents_page::add(&site, &runs, &mut folder)?;
    let (n_files, n_bytes) = folder.finish()?;
    let mb = n_bytes as f64 / 1e6;
    println!("{}: {n_files} files, {mb:.1} MB", run.join("site/index.html").display());
    Ok(())
}

/// The run's name: its folder's.
fn name(run: &Path) -> String {
    let whole = run.canonicalize().unwrap_or_else(|_| run.into());
    whole.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn manifest(run: &Path) -> Result<Value> {
    let path = run.join("run.json");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?),
        Err(_) => Ok(Value::Null),
    }
}

/// With what a run was made, in words.
fn settings(manifest: &Value) -> String {
    let identity = &manifest["identity"];
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match identity["preset"]["name"].as_str() {
        Some(preset) => format!(
            "preset {preset}, seed {}, {} crosscoder{} a stage, {} latents",
            text(&identity["seed"]),
            text(&identity["preset"]["n_seeds"]),
            if identity["preset"]["n_seeds"] == 1 { "" } else { "s" },
            text(&identity["preset"]["n_latents"])
        ),
        None => "settings that are not known".into(),
    }
}

/// The notebooks of a run: those that Jupyter executed, and those that a compiled program did, without outputs.
fn notebooks(run: &Path) -> Result<Vec<Notebook>> {
    let (executed, checkout) = (run.join("notebooks"), Path::new(env!("CARGO_MANIFEST_DIR")));
    let mut found = Vec::new();
    for path in ipynb(&executed) {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match file.strip_suffix(".failed.ipynb") {
            Some(name) if executed.join(format!("{name}.ipynb")).exists() => {}
            Some(_) => found.push(Notebook::read(&path, Executed::Failed)?),
            None => found.push(Notebook::read(&path, Executed::Whole)?),
        }
    }
    let compiled = written(run);
    for path in ipynb(checkout) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let is_new = found.iter().all(|notebook| notebook.name != stem);
        if is_new && compiled.contains(&stem.as_str()) {
            found.push(Notebook::read(&path, Executed::Compiled)?);
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The notebooks of a folder, in order.
fn ipynb(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_one = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".ipynb") && name.starts_with(|c: char| c.is_ascii_digit())
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_one).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// The sites of made-up runs in a real browser: what they show, what they refuse to do, and how quick they are.
    #[test]
    fn sites_work_from_disk_without_a_network() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let python = root.join(".venv/bin/python");
        if !python.exists() {
            return println!("skipped: no Python environment in .venv (`cargo xtask setup` makes it)");
        }
        let home = std::env::temp_dir().join(format!("stagediff-site-{}", std::process::id()));
        let plotly = Command::new(&python)
            .args([
                "-c",
                "import plotly, pathlib; print(pathlib.Path(plotly.__file__).parent / 'package_data/plotly.min.js')",
            ])
            .output()
            .unwrap();
        let plotly = PathBuf::from(String::from_utf8(plotly.stdout).unwrap().trim());
        let [odd, large, bare] = ["run <b> & \"co\"", "large", "bare"].map(|name| home.join(name));
        sample::hostile(&odd);
        sample::large(&large);
        std::fs::create_dir_all(&bare).unwrap();
        std::fs::write(bare.join("run.json"), "{}").unwrap();
        for run in [&odd, &large, &bare] {
            make(run, std::slice::from_ref(&odd), Some(&plotly)).unwrap();
        }
        let mut command = Command::new(&python);
        let output = command
            .arg("-B")
            .arg(root.join("xtask/tests/site_in_browser.py"))
            .args([odd, large, bare])
            .output()
            .unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        println!("{said}");
        assert!(output.status.success(), "{said}");
        std::fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn words_are_folders_and_options() {
        let words = |line: &str| line.split_whitespace().map(String::from).collect::<Vec<_>>();
        let request = parse(&words("a --plotly p.js --beside b c")).unwrap().unwrap();
        assert_eq!(
            request,
            Request { runs: vec!["a".into(), "c".into()], beside: vec!["b".into()], plotly: Some("p.js".into()) }
        );
        assert!(parse(&words("--help")).unwrap().is_none());
        assert!(parse(&words("--plotty x")).unwrap_err().to_string().contains("--plotty"));
        assert!(parse(&[]).unwrap_err().to_string().contains("folder"));
    }
}
