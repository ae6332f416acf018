//! Parquet files in which bytes were altered (tests/cases/parquet), as stories and as tables: refused by name, where Polars
//! panics or asks for more memory than there is.

use crate::fixture::{Folder, assert_says};
use crate::model_cases::case;
use stagediff::stories::read;
use stagediff::table;

#[test]
fn altered_stories_are_refused_by_name() {
    for (name, said) in [
        ("parquet-1613", "its footer has field 4.1.3.12.7 as a value of kind 6"),
        ("parquet-3309", "its footer has field 4.1.3.9 as a value of kind 9"),
        ("parquet-17602", "it cannot be decoded"),
        ("parquet-72239", "it cannot be decoded"),
        ("parquet-78917", "it cannot be decoded"),
        ("parquet-hole", "column `text`, row group 1: a page's header"),
    ] {
        let name = format!("{name}.parquet");
        assert_says(read(&case("parquet").join(&name)), &[&name, "no whole Parquet file", said]);
    }
}

#[test]
fn altered_tables_are_refused_by_name() {
    for (name, said) in [
        ("table-11392", "column `loss_nats`, row group 1: a page's header"),
        ("table-25311", "column `loss_recon`, row group 1: a page's header"),
        ("table-abort-7604", "a page of -121 values"),
        ("table-abort-kind", "its footer has field 1 as a value of kind 9"),
        ("table-abort-list", "its footer has field 1 as a value of kind 9"),
    ] {
        let name = format!("{name}.parquet");
        assert_says(table::read(&case("parquet").join(&name)), &[&name, "no whole Parquet file", said]);
    }
    let folder = Folder::new("parquet_foreign");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 163920\n";
    assert_says(table::read(&folder.file("lfs.parquet", pointer)), &["lfs.parquet", "Git LFS pointer"]);
    assert_says(table::read(folder.path()), &["is a folder"]);
}
