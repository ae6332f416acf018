//! Makes one function of each notebook: its code cells in order, so that the compiler checks what Jupyter runs.

use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    println!("cargo::rerun-if-changed={}", folder.display());
    let (mut functions, mut twice) = (String::new(), String::new());
    let mut table =
        String::from("/// Every notebook: its name, its code.\npub const NOTEBOOKS: &[(&str, Notebook)] = &[\n");
    for path in notebooks(&folder) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let notebook = read(&path);
        functions += &function(&name, &notebook, 1);
        twice += &function(&name, &notebook, 2);
        let _ = writeln!(table, "    (\"{name}\", nb_{name}),");
    }
    write("notebooks.rs", functions + &table + "];\n");
    write("twice.rs", twice);
}

fn write(name: &str, text: String) {
    let path = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join(name);
    fs::write(&path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

/// The notebooks `NN_name.ipynb` of a folder, in the order of their numbers.
fn notebooks(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| is_notebook(path)).collect();
    paths.sort();
    paths
}

fn is_notebook(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let Some(stem) = name.strip_suffix(".ipynb") else { return false };
    let bytes = stem.as_bytes();
    bytes.len() > 3
        && bytes[..2].iter().all(u8::is_ascii_digit)
        && bytes[2] == b'_'
        && bytes.iter().all(|&byte| word(byte))
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{} is not a notebook: {error}", path.display()))
}

/// The cells' code as one function, each cell `n_times` in a row. `?` works there as it does in a cell, and a cell's
/// variables live on.
fn function(name: &str, notebook: &Value, n_times: usize) -> String {
    let mut text = format!(
        "\n/// `{name}.ipynb`.\n#[allow(unused, clippy::no_effect, clippy::unnecessary_operation)]\npub fn nb_{name}() -> Result<(), Box<dyn std::error::Error>> {{\n"
    );
    let cells = notebook["cells"].as_array().map_or(&[][..], Vec::as_slice);
    for (index, cell) in cells.iter().filter(|cell| cell["cell_type"] == "code").enumerate() {
        let code = code(&source(cell));
        let n_times = if code.starts_with("use ") { 1 } else { n_times };
        if !code.trim().is_empty() {
            let _ = write!(text, "    // {name}.ipynb, code cell {}\n{}", index + 1, code.repeat(n_times));
        }
    }
    text + "    Ok(())\n}\n"
}

/// A cell's text, which is stored whole or by lines.
fn source(cell: &Value) -> String {
    match &cell["source"] {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        text => text.as_str().unwrap_or_default().to_owned(),
    }
}

/// A cell's text without the kernel's own commands, `:dep` and the like; an expression at its end is not shown.
fn code(source: &str) -> String {
    let is_command = |line: &&str| line.starts_with(':') && !line.starts_with("::");
    let mut code: String = source.lines().filter(|line| !is_command(line)).flat_map(|line| [line, "\n"]).collect();
    let last = code.lines().map(str::trim).rfind(|line| !line.is_empty() && !line.starts_with("//"));
    if last.is_some_and(|line| !line.ends_with([';', '}'])) {
        code += ";\n";
    }
    code
}
