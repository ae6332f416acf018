// Stands before every cell. What evcxr's runtime and a cell's program say to each other goes over the output of both, as
// lines that begin with EVCXR_: here text that was read from files loses its likeness to them, and a failure is marked
// for the kernel (kernel/output.py): `?` and a panic in a cell are successes to evcxr.
#[allow(unused_macros)]
macro_rules! println {
    (@ [$($all:tt)*] "EVCXR_PANIC_NOTIFICATION") => {{ ::std::eprintln!("\u{1}panic"); ::std::println!($($all)*); }};
    (@ [$($all:tt)*] "{}", evcxr_internal_runtime::USER_ERROR_OCCURRED) => {{
        ::std::eprintln!("\u{1}end");
        ::std::println!($($all)*);
    }};
    (@ [$($all:tt)*] "{VARIABLE_CHANGED_TYPE}{name}") => { ::std::println!($($all)*) };
    (@ [$($all:tt)*] $($any:tt)*) => {
        ::std::println!("{}", $crate::evcxr_text(stringify!($($all)*), ::std::format!($($all)*)))
    };
    () => { ::std::println!() };
    ($($all:tt)*) => { println!(@ [$($all)*] $($all)*) };
}
#[allow(unused_macros)]
macro_rules! print {
    ($($all:tt)*) => { ::std::print!("{}", $crate::evcxr_text(stringify!($($all)*), ::std::format!($($all)*))) };
}
#[allow(unused_macros)]
macro_rules! eprintln {
    (@ [$($all:tt)*] "{}", error) => {{ ::std::eprintln!("\u{1}error"); ::std::eprintln!($($all)*); }};
    (@ [$($all:tt)*] $($any:tt)*) => { ::std::eprintln!($($all)*) };
    () => { ::std::eprintln!() };
    ($($all:tt)*) => { eprintln!(@ [$($all)*] $($all)*) };
}
pub fn evcxr_text(format: &str, text: String) -> String {
    if format.contains("EVCXR_") { text } else { text.replace("EVCXR_", "EVCXR\u{2060}_") }
}
