//! The committed notebooks: whole, in order, executed cleanly or not at all, and free of one machine's paths.

use serde_json::Value;
use std::path::{Path, PathBuf};

fn notebooks() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("notebooks");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "ipynb"));
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        (name.clone(), serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name} does not parse: {error}")))
    };
    paths.into_iter().map(read).collect()
}

fn cells(notebook: &Value) -> &[Value] {
    notebook["cells"].as_array().expect("cells")
}

fn text(value: &Value) -> String {
    match value {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => text.clone(),
        _ => String::new(),
    }
}

fn code_cells(notebook: &Value) -> Vec<&Value> {
    cells(notebook).iter().filter(|cell| cell["cell_type"] == "code").collect()
}

#[test]
fn each_has_a_number_of_its_own_and_the_series_no_gap() {
    let numbers: Vec<String> = notebooks().iter().map(|(name, _)| name[..3].to_string()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    let series: Vec<String> = (0..=12).map(|number| format!("{number:02}_")).collect();
    assert_eq!(numbers[..series.len()], series);
}

#[test]
fn each_begins_with_its_title_and_its_dependency() {
    for (name, notebook) in notebooks() {
        let title = text(&cells(&notebook)[0]["source"]);
        assert!(title.starts_with(&format!("# {} · ", &name[..2])), "{name} begins {title:.40}");
        assert_eq!(text(&code_cells(&notebook)[0]["source"]), r#":dep stagediff = { path = ".." }"#, "{name}");
        assert_eq!(notebook["metadata"]["kernelspec"]["name"], "rust", "{name}");
        let tagged = code_cells(&notebook).iter().filter(|cell| cell["metadata"]["tags"][0] == "parameters").count();
        assert_eq!(tagged, 1, "{name} has one cell of parameters");
    }
}

#[test]
fn cells_are_short_and_imports_are_named() {
    for (name, notebook) in notebooks() {
        for cell in code_cells(&notebook) {
            let code = text(&cell["source"]);
            assert!(code.lines().count() <= 17, "{name}: a cell of {} lines", code.lines().count());
            assert!(!code.contains("::*"), "{name}: a glob import");
        }
    }
}

/// What a cell leaves to the next ones must be named with an owned type: the kernel keeps no closures and no references.
#[test]
fn variables_that_cells_share_have_types() {
    for (name, notebook) in notebooks() {
        for cell in code_cells(&notebook) {
            let code = text(&cell["source"]);
            for line in code.lines().filter(|line| line.starts_with("let ")) {
                let declared = line.split(" = ").next().unwrap();
                let is_owned = !declared.replace("&str", "").contains('&');
                assert!(declared.contains(": ") && is_owned, "{name}: {line}");
            }
        }
    }
}

#[test]
fn outputs_are_one_clean_run_or_none() {
    for (name, notebook) in notebooks() {
        let counts: Vec<Option<u64>> =
            code_cells(&notebook).iter().map(|cell| cell["execution_count"].as_u64()).collect();
        let in_order: Vec<Option<u64>> = (1..=counts.len() as u64).map(Some).collect();
        assert!(counts == in_order || counts.iter().all(Option::is_none), "{name} was executed as {counts:?}");
        for cell in code_cells(&notebook) {
            for output in cell["outputs"].as_array().expect("outputs") {
                assert_ne!(output["output_type"], "error", "{name}: {}", output["evalue"]);
                assert_ne!(output["name"], "stderr", "{name}: {}", text(&output["text"]));
            }
        }
    }
}

/// A notebook is shared: it loads at once on a site that renders it, and on a phone.
#[test]
fn each_is_small_enough_to_share() {
    /// Bytes of a committed notebook.
    const MOST_BYTES: u64 = 300_000;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("notebooks");
    for (name, _) in notebooks() {
        let n_bytes = std::fs::metadata(folder.join(&name)).unwrap().len();
        assert!(n_bytes <= MOST_BYTES, "{name} has {} kB", n_bytes / 1000);
    }
}

/// A figure shows on a site that renders notebooks without scripts, and is interactive where there are scripts.
#[test]
fn figures_are_stored_as_pictures_and_as_plots() {
    for (name, notebook) in notebooks() {
        for output in code_cells(&notebook).iter().flat_map(|cell| cell["outputs"].as_array().expect("outputs")) {
            let Some(data) = output["data"].as_object() else { continue };
            let (plot, picture) = (data.get("application/vnd.plotly.v1+json"), data.get("image/svg+xml").map(text));
            assert_eq!(plot.is_some(), picture.is_some(), "{name}");
            assert!(picture.is_none_or(|svg| svg.starts_with("<svg") && !svg.contains("<script")), "{name}");
        }
    }
}

#[test]
fn no_machine_is_named() {
    for (name, notebook) in notebooks() {
        let whole = notebook.to_string();
        for root in ["/home/", "/root/", "/tmp/", "/Users/", "/work/", "/mnt/"] {
            assert!(!whole.contains(root), "{name} names a path under {root}");
        }
    }
}
