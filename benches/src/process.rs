//! A side as seen by the driver: a process that answers each line with a line.

use crate::Result;
use crate::answer::{Greeting, Turn};
use crate::setup::Setup;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Steps before the first turn that counts.
const N_WARM_UP_STEPS: usize = 2;

/// A running side that is ready for turns.
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

/// A side with the versions of its programs, or the package that it lacks.
pub type Started = std::result::Result<(Process, String), String>;

impl Process {
    /// Our side of the case in `folder`, warmed up.
    ///
    /// # Errors
    /// It cannot be started, or fails.
    pub fn ours(folder: &Path, setup: &Setup) -> Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("side").arg(folder);
        let (mut process, _) = Process::start("ours", command, folder, setup)??;
        process.steps(N_WARM_UP_STEPS)?;
        Ok(process)
    }

    /// The measure of the machine, which writes its log beside that of the case in `folder`.
    ///
    /// # Errors
    /// It cannot be started, or fails.
    pub fn machine(folder: &Path, setup: &Setup) -> Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("machine").arg(serde_json::to_string(setup)?);
        Ok(Process::start("machine", command, folder, setup)??.0)
    }

    /// A peer's side, warmed up, or what it lacks.
    ///
    /// # Errors
    /// The peer fails for another reason than a package, or a Python, that is not there.
    pub fn peer(module: &str, folder: &Path, setup: &Setup) -> Result<Started> {
        let python = python();
        if let Err(error) = Command::new(&python).arg("--version").output() {
            return Ok(Err(format!("{}: {error}", python.display())));
        }
        let mut command = Command::new(python);
        let peers = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers");
        command.arg(peers.join("serve.py")).arg(module).arg(folder);
        // PyTorch's Python package brings its own libtorch.
        command.env_remove("LD_LIBRARY_PATH");
        let mut started = Process::start(module, command, folder, setup)?;
        if let Ok((process, _)) = &mut started {
            process.steps(N_WARM_UP_STEPS)?;
        }
        Ok(started)
    }

    /// Starts a side of the case in `folder`; what it says besides its answers goes into a log.
    fn start(name: &str, mut command: Command, folder: &Path, setup: &Setup) -> Result<Started> {
        let log = folder.with_file_name("logs").join(format!("{name}.log"));
        std::fs::create_dir_all(folder.with_file_name("logs"))?;
        for variable in ["OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(variable, setup.n_threads.to_string());
        }
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .map_err(|error| format!("cannot start {program}: {error}"))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().ok_or("no pipe")?);
        let mut process = Process { name: name.into(), log, child, stdin, stdout: BufReader::new(stdout) };
        Ok(match process.answer()? {
            Greeting::Ready(versions) => Ok((process, versions)),
            Greeting::Missing(what) => Err(what),
        })
    }

    /// Has it do so many steps.
    ///
    /// # Errors
    /// It has ended.
    pub fn steps(&mut self, n_steps: usize) -> Result<Turn> {
        self.ask(&format!("steps {n_steps}"))
    }

    /// Has it do what a line says, and waits for it.
    ///
    /// # Errors
    /// It has ended.
    pub fn ask(&mut self, request: &str) -> Result<Turn> {
        self.begin(request)?;
        self.answer()
    }

    /// Has it begin what a line says.
    ///
    /// # Errors
    /// It has ended.
    pub fn begin(&mut self, request: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().ok_or("no pipe")?;
        writeln!(stdin, "{request}").map_err(|error| format!("{} has ended: {error}", self.name).into())
    }

    /// Waits for its next line.
    ///
    /// # Errors
    /// It has ended, or says something else.
    pub fn answer<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        if line.is_empty() {
            let status = self.child.wait()?;
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            let last = said.lines().last().unwrap_or_default();
            return Err(format!("{} ended ({status}): {last} ({})", self.name, self.log.display()).into());
        }
        serde_json::from_str(&line).map_err(|error| format!("{} said {line:?}: {error}", self.name).into())
    }
}

impl Drop for Process {
    /// Ends it: its input is closed, which it takes for the end.
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}

/// The Python that runs the peers.
pub fn python() -> PathBuf {
    std::env::var_os("STAGEDIFF_PYTHON").map_or("python3".into(), PathBuf::from)
}
