//! Which of how many processes this one is, by the variables that a launcher sets.

use crate::{Error, Result};
use std::fmt::Display;
use std::str::FromStr;

/// The port of torchrun and c10d.
const PORT: u16 = 29_500;

/// Place among the processes of one machine, for who picks a GPU by it.
pub type LocalRank = usize;

/// What a launcher says to one of the processes that it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Which process this is, from 0.
    pub rank: usize,
    /// How many there are.
    pub world_size: usize,
    /// Which it is on its machine.
    pub local_rank: LocalRank,
    /// Where the first process, or its launcher, is reached.
    pub host: String,
    /// The port there.
    pub port: u16,
    /// Whether the launcher already listens there, as torchrun does.
    pub is_served: bool,
    /// What tells this launch from others at the same place.
    pub job: String,
}

/// A launcher's names for rank, number of processes, and rank on the machine.
struct Names {
    rank: &'static str,
    world_size: &'static str,
    local_rank: &'static str,
}

/// By precedence: torchrun and who sets the same by hand, srun, Open MPI, other MPIs. Slurm's names of a step alone: a
/// batch script, which is one process, sees those of its job.
const LAUNCHERS: [Names; 4] = [
    Names { rank: "RANK", world_size: "WORLD_SIZE", local_rank: "LOCAL_RANK" },
    Names { rank: "SLURM_PROCID", world_size: "SLURM_STEP_NUM_TASKS", local_rank: "SLURM_LOCALID" },
    Names {
        rank: "OMPI_COMM_WORLD_RANK",
        world_size: "OMPI_COMM_WORLD_SIZE",
        local_rank: "OMPI_COMM_WORLD_LOCAL_RANK",
    },
    Names { rank: "PMI_RANK", world_size: "PMI_SIZE", local_rank: "MPI_LOCALRANKID" },
];

impl Launch {
    /// What this process was told; none where it is the only one.
    ///
    /// # Errors
    /// A variable is missing beside another, or holds what it cannot.
    pub fn from_env() -> Result<Option<Launch>> {
        Launch::from(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// The same by variables of one's own.
    ///
    /// # Errors
    /// As [`Launch::from_env`].
    pub fn from(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Launch>> {
        let is_set = |name: &str| variable(name).is_some();
        let says = |names: &&Names| is_set(names.world_size) || names.rank == "RANK" && is_set(names.rank);
        let Some(Names { rank, world_size, local_rank }) = LAUNCHERS.iter().find(says) else { return Ok(None) };
        let (rank_value, size): (usize, usize) = (number(&variable, rank)?, number(&variable, world_size)?);
        if rank_value >= size {
            return Err(Error::setting(rank, rank_value, format!("expected less than {world_size}, which is {size}")));
        }
        if size == 1 {
            return Ok(None);
        }
        let local_rank = if is_set(local_rank) { number(&variable, local_rank)? } else { 0 };
        let job = job(&variable);
        let port = if is_set("MASTER_PORT") { number(&variable, "MASTER_PORT")? } else { port_of(&variable) };
        let is_served = variable("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|value| value == "True");
        Ok(Some(Launch {
            rank: rank_value,
            world_size: size,
            local_rank,
            host: host(&variable)?,
            port,
            is_served,
            job,
        }))
    }
}

fn number<T: FromStr<Err: Display>>(variable: &impl Fn(&str) -> Option<String>, name: &str) -> Result<T> {
    let Some(text) = variable(name) else {
        return Err(Error::setting(name, "nothing", "expected a number: torchrun, srun or mpirun sets it"));
    };
    text.trim().parse().map_err(|error| Error::setting(name, &text, format!("expected a number ({error})")))
}

/// Where the first process is: as told, or the first machine of a Slurm step; this one, where MPI has all processes here.
fn host(variable: &impl Fn(&str) -> Option<String>) -> Result<String> {
    if let Some(host) = variable("MASTER_ADDR") {
        return Ok(host);
    }
    if let Some(nodes) = variable("SLURM_STEP_NODELIST") {
        return Ok(first_node(&nodes));
    }
    let size = |name: &str| variable(name).and_then(|text| text.parse::<usize>().ok());
    let (all, here) = (size("OMPI_COMM_WORLD_SIZE"), size("OMPI_COMM_WORLD_LOCAL_SIZE"));
    let (all, here) = (all.or(size("PMI_SIZE")), here.or(size("MPI_LOCALNRANKS")));
    if all.is_some() && all == here {
        return Ok("127.0.0.1".into());
    }
    Err(Error::setting("MASTER_ADDR", "nothing", "expected the machine of rank 0, by its name or address"))
}

/// Two jobs of one machine want two ports.
fn port_of(variable: &impl Fn(&str) -> Option<String>) -> u16 {
    let job = variable("SLURM_JOB_ID").and_then(|id| id.parse::<u32>().ok());
    job.map_or(PORT, |id| PORT + (id % 10_000) as u16)
}

fn job(variable: &impl Fn(&str) -> Option<String>) -> String {
    let names =
        ["TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "SLURM_JOB_ID", "SLURM_STEP_ID", "PMIX_NAMESPACE"];
    names.iter().filter_map(|name| variable(name)).collect::<Vec<_>>().join("/")
}

/// The first of Slurm's list of machines: `a3` of `a[3-5,8],b`.
fn first_node(nodes: &str) -> String {
    let plain = nodes.find([',', '[']).unwrap_or(nodes.len());
    let first = match nodes[plain..].strip_prefix('[') {
        Some(numbers) => &numbers[..numbers.find([',', '-', ']']).unwrap_or(numbers.len())],
        None => "",
    };
    format!("{}{first}", &nodes[..plain])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(variables: &[(&str, &str)]) -> Result<Option<Launch>> {
        let variables = variables.to_vec();
        Launch::from(move |name| variables.iter().find(|(found, _)| *found == name).map(|(_, value)| value.to_string()))
    }

    fn of(rank: usize, world_size: usize, local_rank: usize, host: &str, port: u16) -> Launch {
        let (host, job) = (host.into(), String::new());
        Launch { rank, world_size, local_rank, host, port, is_served: false, job }
    }

    #[test]
    fn each_launcher_is_understood() {
        let torchrun = [
            ("RANK", "3"),
            ("WORLD_SIZE", "4"),
            ("LOCAL_RANK", "1"),
            ("MASTER_ADDR", "a"),
            ("MASTER_PORT", "7"),
            ("TORCHELASTIC_USE_AGENT_STORE", "True"),
            ("TORCHELASTIC_RUN_ID", "none"),
            ("TORCHELASTIC_RESTART_COUNT", "2"),
            ("SLURM_PROCID", "0"),
            ("SLURM_STEP_NUM_TASKS", "1"),
        ];
        let expected = Launch { is_served: true, job: "none/2".into(), ..of(3, 4, 1, "a", 7) };
        assert_eq!(told(&torchrun).unwrap(), Some(expected));
        let srun = [
            ("SLURM_PROCID", "1"),
            ("SLURM_STEP_NUM_TASKS", "2"),
            ("SLURM_LOCALID", "0"),
            ("SLURM_STEP_NODELIST", "node[07-09,12],x1"),
            ("SLURM_JOB_ID", "120003"),
        ];
        assert_eq!(told(&srun).unwrap(), Some(Launch { job: "120003".into(), ..of(1, 2, 0, "node07", 29_503) }));
        let mpirun = [
            ("OMPI_COMM_WORLD_RANK", "1"),
            ("OMPI_COMM_WORLD_SIZE", "2"),
            ("OMPI_COMM_WORLD_LOCAL_RANK", "1"),
            ("OMPI_COMM_WORLD_LOCAL_SIZE", "2"),
        ];
        assert_eq!(told(&mpirun).unwrap(), Some(of(1, 2, 1, "127.0.0.1", 29_500)));
    }

    #[test]
    fn one_process_is_no_group() {
        assert_eq!(told(&[]).unwrap(), None);
        assert_eq!(told(&[("RANK", "0"), ("WORLD_SIZE", "1")]).unwrap(), None);
        let batch_script = [("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4"), ("SLURM_JOB_ID", "1")];
        assert_eq!(told(&batch_script).unwrap(), None);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let says = |variables: &[(&str, &str)], what: &str| {
            let said = told(variables).unwrap_err().to_string();
            assert!(said.contains(what), "{said}");
        };
        says(&[("RANK", "0")], "WORLD_SIZE");
        says(&[("WORLD_SIZE", "2")], "RANK");
        says(&[("RANK", "2"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "a")], "less than WORLD_SIZE");
        says(&[("RANK", "x"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "a")], "RANK is x");
        says(&[("RANK", "0"), ("WORLD_SIZE", "2")], "MASTER_ADDR");
        says(&[("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "a"), ("MASTER_PORT", "70000")], "MASTER_PORT");
    }

    #[test]
    fn the_first_machine_of_a_list_is_found() {
        for (nodes, first) in [("a", "a"), ("a,b", "a"), ("a[3-5,8],b", "a3"), ("n[007]", "n007"), ("a-b1,c", "a-b1")] {
            assert_eq!(first_node(nodes), first);
        }
    }
}
