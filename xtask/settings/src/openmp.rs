//! How the threads of libtorch's OpenMP (GNU's) wait for work.
//!
//! By default they spin, which makes two programs on one machine many times slower. libgomp reads the environment once,
//! when it is loaded: what is set here must be there before a program begins.

/// What programs that use libtorch are given.
const DEFAULTS: [(&str, &str); 1] = [("GOMP_SPINCOUNT", "1000")];

/// Nothing is given where the user has set one of these.
const CHOICES: [&str; 2] = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"];

/// What the environment lacks.
pub fn missing() -> &'static [(&'static str, &'static str)] {
    if CHOICES.iter().any(|name| std::env::var_os(name).is_some()) { &[] } else { &DEFAULTS }
}

/// The start of a line of shell that exports what its environment lacks.
pub fn shell() -> String {
    let chosen: String = CHOICES.map(|name| format!("${{{name}+set}}")).concat();
    let defaults: String = DEFAULTS.map(|(name, value)| format!(" {name}={value}")).concat();
    format!("[ \"{chosen}\" ] || export{defaults}; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_users_own_choice_wins() {
        let script = format!("{}env", shell());
        let environment = |own: Option<(&str, &str)>| {
            let mut shell = Command::new("/bin/sh");
            let output = shell.args(["-c", &script]).env_clear().envs(own).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let has = |environment: &str, name: &str, value: &str| environment.contains(&format!("{name}={value}\n"));
        assert!(DEFAULTS.iter().all(|(name, value)| has(&environment(None), name, value)));
        for name in CHOICES {
            let own = environment(Some((name, "7")));
            assert!(has(&own, name, "7") && !DEFAULTS.iter().any(|(name, value)| has(&own, name, value)), "{own}");
        }
    }

    #[test]
    fn what_is_given_counts_as_a_choice_so_that_it_is_given_once() {
        assert!(DEFAULTS.iter().any(|(name, _)| CHOICES.contains(name)));
    }
}
