//! Messages on the control socket: one JSON object per line.

use std::io::Write;

use serde::Serialize;

/// A property of the sandbox that holds for the program. The names are those of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fact {
    /// It runs as a user that is neither the agent's nor root.
    User,
    NoNewPrivs,
    NoCapabilities,
    Limits,
    /// It has a filter of system calls.
    SystemCalls,
    /// It has a session keyring of its own.
    Keyring,
    /// No memory is outside of all limits.
    Memory,
    /// It sees only its own processes, and they end with it.
    Processes,
    /// It has a private /tmp and /proc.
    Mounts,
    /// It has its own System V and POSIX message queues and shared memory.
    Ipc,
    /// It has no network.
    NoNetwork,
    /// Landlock limits where it writes.
    Paths,
    /// Memory and processes are limited for the whole run.
    Cgroup,
}

/// The facts that each level consists of.
const L1: [Fact; 6] =
    [Fact::User, Fact::NoNewPrivs, Fact::NoCapabilities, Fact::Limits, Fact::SystemCalls, Fact::Memory];
const L3: [Fact; 3] = [Fact::Processes, Fact::Mounts, Fact::Paths];

/// The facts established so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct SandboxLevel(Vec<Fact>);

impl SandboxLevel {
    pub(crate) fn add(&mut self, fact: Fact) {
        self.0.push(fact);
    }

    pub(crate) fn has(&self, fact: Fact) -> bool {
        self.0.contains(&fact)
    }

    /// Return 0, 1 or 3; level 2 is a transient systemd unit.
    pub(crate) fn level(&self) -> u8 {
        let all = |facts: &[Fact]| facts.iter().all(|fact| self.has(*fact));
        match (all(&L1), all(&L3)) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 3,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExitKind {
    /// The program exited or was ended by a signal of its own.
    Exited,
    /// Its deadline expired.
    Deadline,
    /// It was requested to end.
    Stopped,
    /// The requesting process is gone.
    Abandoned,
}

/// Why the program does not run: the failed stage and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    pub(crate) stage: &'static str,
    pub(crate) problem: String,
    /// The `errno` of the failed system call.
    pub(crate) errno: Option<i32>,
}

impl Failure {
    pub(crate) fn new(stage: &'static str, problem: impl Into<String>) -> Self {
        Self { stage, problem: problem.into(), errno: None }
    }

    /// Return the failure of `what`.
    pub(crate) fn of(stage: &'static str, what: impl std::fmt::Display, error: impl Into<std::io::Error>) -> Self {
        let error = error.into();
        Self { stage, problem: format!("{what}: {error}"), errno: error.raw_os_error() }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Message<'a> {
    /// The program is about to start, or would be in a probe.
    SandboxLevel { level: u8, facts: &'a [Fact] },
    /// The program does not start.
    Failed(&'a Failure),
    /// No process is left. The status is 128 plus the signal's number when a signal ended the program.
    Exited { status: i32, kind: ExitKind },
}

impl Message<'_> {
    pub(crate) fn of_level(sandbox_level: &SandboxLevel) -> Message<'_> {
        Message::SandboxLevel { level: sandbox_level.level(), facts: &sandbox_level.0 }
    }

    /// Write the message; a reader that is gone is ignored.
    pub(crate) fn send_to(&self, mut to: impl Write) {
        if let Ok(mut line) = serde_json::to_vec(self) {
            line.push(b'\n');
            let _ = to.write_all(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_needs_all_of_its_facts_and_those_of_lower_levels() {
        let all: Vec<Fact> = L1.into_iter().chain(L3).collect();
        let level = |facts: &[Fact]| SandboxLevel(facts.to_vec()).level();
        assert_eq!((level(&all), level(&L1), level(&L3), level(&[])), (3, 1, 0, 0));
        for missing in &all {
            let rest: Vec<Fact> = all.iter().copied().filter(|fact| fact != missing).collect();
            assert_eq!(level(&rest), if L1.contains(missing) { 0 } else { 1 }, "{missing:?}");
        }
    }

    #[test]
    fn each_message_is_one_line() {
        let mut output = Vec::new();
        Message::Exited { status: 137, kind: ExitKind::Deadline }.send_to(&mut output);
        let mut sandbox_level = SandboxLevel::default();
        sandbox_level.add(Fact::NoNewPrivs);
        Message::of_level(&sandbox_level).send_to(&mut output);
        assert_eq!(
            String::from_utf8(output).unwrap(),
            "{\"exited\":{\"status\":137,\"kind\":\"deadline\"}}\n{\"sandbox_level\":{\"level\":0,\"facts\":[\"no_new_privs\"]}}\n"
        );
    }
}
