//! The kinds of the fields that Polars reads, by struct (`parquet.thrift` of Apache Parquet's format).
//!
//! Polars goes by a field's number alone: one that is written as another kind of value than it should be is read as that
//! which it should be, and what follows as something else altogether, such as the length of a list.

use Kind::{Binary, Bool, Byte, I16, I32, I64, List, Struct};

/// What a field or an element of a list holds.
#[derive(Clone, Copy)]
pub enum Kind {
    Bool,
    Byte,
    I16,
    I32,
    I64,
    Binary,
    List(&'static Kind),
    Struct(Fields),
}

/// The fields of a struct that are read, with their numbers.
pub type Fields = &'static [(i16, Kind)];

impl Kind {
    /// Whether a value that is written as kind `written` of the compact protocol is of this kind.
    pub fn is(self, written: u8) -> bool {
        match self {
            Bool => matches!(written, 1 | 2),
            Byte => written == 3,
            I16 => written == 4,
            I32 => written == 5,
            I64 => written == 6,
            Binary => written == 8,
            List(_) => written == 9,
            Struct(_) => written == 12,
        }
    }

    /// The kind of a list's elements.
    pub fn element(self) -> Option<Kind> {
        if let List(element) = self { Some(*element) } else { None }
    }

    /// The fields of a struct; none of what is no struct.
    pub fn fields(self) -> Fields {
        if let Struct(fields) = self { fields } else { &[] }
    }
}

/// `FileMetaData`, the footer.
pub const FILE: Fields = &[
    (1, I32),
    (2, List(&Struct(SCHEMA_ELEMENT))),
    (3, I64),
    (4, List(&Struct(ROW_GROUP))),
    (5, List(&Struct(KEY_VALUE))),
    (6, Binary),
    (7, List(&Struct(COLUMN_ORDER))),
];

/// `PageHeader`.
pub const PAGE: Fields = &[
    (1, I32),
    (2, I32),
    (3, I32),
    (4, I32),
    (5, Struct(DATA_PAGE)),
    (6, EMPTY),
    (7, Struct(DICTIONARY)),
    (8, Struct(DATA_PAGE_2)),
];

const EMPTY: Kind = Struct(&[]);
const SCHEMA_ELEMENT: Fields = &[
    (1, I32),
    (2, I32),
    (3, I32),
    (4, Binary),
    (5, I32),
    (6, I32),
    (7, I32),
    (8, I32),
    (9, I32),
    (10, Struct(LOGICAL_TYPE)),
];
const LOGICAL_TYPE: Fields = &[
    (1, EMPTY),
    (2, EMPTY),
    (3, EMPTY),
    (4, EMPTY),
    (5, Struct(&[(1, I32), (2, I32)])),
    (6, EMPTY),
    (7, Struct(TIME)),
    (8, Struct(TIME)),
    (10, Struct(&[(1, Byte), (2, Bool)])),
    (11, EMPTY),
    (12, EMPTY),
    (13, EMPTY),
    (14, EMPTY),
    (15, EMPTY),
];
const TIME: Fields = &[(1, Bool), (2, Struct(&[(1, EMPTY), (2, EMPTY), (3, EMPTY)]))];
const ROW_GROUP: Fields = &[
    (1, List(&Struct(COLUMN_CHUNK))),
    (2, I64),
    (3, I64),
    (4, List(&Struct(&[(1, I32), (2, Bool), (3, Bool)]))),
    (5, I64),
    (6, I64),
    (7, I16),
];
const COLUMN_CHUNK: Fields =
    &[(1, Binary), (2, I64), (3, Struct(COLUMN_METADATA)), (4, I64), (5, I32), (6, I64), (7, I32)];
const COLUMN_METADATA: Fields = &[
    (1, I32),
    (2, List(&I32)),
    (3, List(&Binary)),
    (4, I32),
    (5, I64),
    (6, I64),
    (7, I64),
    (8, List(&Struct(KEY_VALUE))),
    (9, I64),
    (10, I64),
    (11, I64),
    (12, Struct(STATISTICS)),
    (14, I64),
    (15, I32),
];
const STATISTICS: Fields =
    &[(1, Binary), (2, Binary), (3, I64), (4, I64), (5, Binary), (6, Binary), (7, Bool), (8, Bool)];
const KEY_VALUE: Fields = &[(1, Binary), (2, Binary)];
const COLUMN_ORDER: Fields = &[(1, EMPTY), (2, EMPTY)];
const DATA_PAGE: Fields = &[(1, I32), (2, I32), (3, I32), (4, I32), (5, Struct(STATISTICS))];
const DICTIONARY: Fields = &[(1, I32), (2, I32), (3, Bool)];
const DATA_PAGE_2: Fields =
    &[(1, I32), (2, I32), (3, I32), (4, I32), (5, I32), (6, I32), (7, Bool), (8, Struct(STATISTICS))];
