//! A row's type, which is also its table's columns.

use crate::Result;
use polars::prelude::DataFrame;

/// The rows of one kind of table.
pub trait Row: Sized {
    /// The table of some rows: a column a field, in the order of the declaration.
    fn table(rows: &[Self]) -> DataFrame;

    /// The rows of a table; columns beyond those of the declaration are left out.
    ///
    /// # Errors
    /// A column is missing or of another type.
    fn rows(table: &DataFrame) -> Result<Vec<Self>>;
}

/// Declares the row of a table: a struct whose public fields are [`Cell`](crate::table::Cell)s.
#[macro_export]
#[doc(hidden)]
macro_rules! __rows {
    ($(#[$meta:meta])* $vis:vis struct $row:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        $vis struct $row {
            $($(#[$doc])* pub $field: $type,)+
        }

        impl $crate::table::Row for $row {
            fn table(rows: &[Self]) -> $crate::polars::prelude::DataFrame {
                let columns = vec![$(
                    $crate::table::Cell::column(stringify!($field), rows.iter().map(|row| &row.$field)),
                )+];
                $crate::polars::prelude::DataFrame::new(rows.len(), columns).expect("columns of one length")
            }

            fn rows(table: &$crate::polars::prelude::DataFrame) -> $crate::Result<Vec<Self>> {
                $(let mut $field = <$type as $crate::table::Cell>::cells(
                    $crate::table::column(table, stringify!($field))?,
                )?.into_iter();)+
                let row = |_| $row { $($field: $field.next().expect("a cell a row"),)+ };
                Ok((0..table.height()).map(row).collect())
            }
        }
    };
}
pub use __rows as rows;
