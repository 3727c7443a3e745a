//! What is told over the control socket: lines of JSON.

use std::io::Write;

use serde::Serialize;

/// What holds for the program. The names are those of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fact {
    /// It runs as a user that neither the agent nor root is.
    User,
    NoNewPrivs,
    NoCapabilities,
    Limits,
    /// It sees no process but its own, and they end with it.
    Processes,
    /// Its /tmp and /proc are its own.
    Mounts,
    /// System V's and POSIX's queues and memory are its own.
    Ipc,
    /// It has no network.
    NoNetwork,
    /// Landlock keeps it from writing, and one that runs as the agent's user from reading.
    Paths,
    /// Memory and processes are bounded all together.
    Cgroup,
}

/// The facts that make up each level.
const L1: [Fact; 4] = [Fact::User, Fact::NoNewPrivs, Fact::NoCapabilities, Fact::Limits];
const L3: [Fact; 3] = [Fact::Processes, Fact::Mounts, Fact::Paths];

/// What has been reached so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct SandboxLevel(Vec<Fact>);

impl SandboxLevel {
    pub(crate) fn add(&mut self, fact: Fact) {
        self.0.push(fact);
    }

    pub(crate) fn has(&self, fact: Fact) -> bool {
        self.0.contains(&fact)
    }

    /// 0, 1 or 3: 2 is a unit of systemd's.
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
    /// By itself.
    Exited,
    /// It overran.
    Deadline,
    /// It was to stop.
    Stopped,
    /// Whoever asked for it is gone.
    Abandoned,
}

/// Why nothing runs. Which part failed, in a word, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    pub(crate) stage: &'static str,
    pub(crate) problem: String,
    /// The system's number for it.
    pub(crate) errno: Option<i32>,
}

impl Failure {
    pub(crate) fn new(stage: &'static str, problem: impl Into<String>) -> Self {
        Self { stage, problem: problem.into(), errno: None }
    }

    /// `what` could not be done.
    pub(crate) fn of(stage: &'static str, what: impl std::fmt::Display, error: impl Into<std::io::Error>) -> Self {
        let error = error.into();
        Self { stage, problem: format!("{what}: {error}"), errno: error.raw_os_error() }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Message<'a> {
    /// The program is about to begin, or would be.
    SandboxLevel { level: u8, facts: &'a [Fact] },
    /// It does not begin.
    Refused(&'a Failure),
    /// Nothing of it is left. The status is 128 and the signal's number where one ended it.
    Ended { status: i32, kind: ExitKind },
}

impl Message<'_> {
    pub(crate) fn of_level(level_reached: &SandboxLevel) -> Message<'_> {
        Message::SandboxLevel { level: level_reached.level(), facts: &level_reached.0 }
    }

    /// Where nobody listens any more, nobody is to be told.
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
    fn a_level_is_all_of_its_facts_and_those_below() {
        let mut level_reached = SandboxLevel::default();
        for fact in [Fact::Processes, Fact::Mounts, Fact::Paths, Fact::NoNewPrivs, Fact::NoCapabilities, Fact::Limits] {
            level_reached.add(fact);
            assert_eq!(level_reached.level(), 0);
        }
        level_reached.add(Fact::User);
        assert_eq!(level_reached.level(), 3);
        level_reached.0.retain(|fact| *fact != Fact::Paths);
        assert_eq!(level_reached.level(), 1);
    }

    #[test]
    fn messages_are_lines() {
        let mut map_error = Vec::new();
        Message::Ended { status: 137, kind: ExitKind::Deadline }.send_to(&mut map_error);
        let mut level_reached = SandboxLevel::default();
        level_reached.add(Fact::NoNewPrivs);
        Message::of_level(&level_reached).send_to(&mut map_error);
        assert_eq!(
            String::from_utf8(map_error).unwrap(),
            "{\"ended\":{\"status\":137,\"kind\":\"deadline\"}}\n{\"level_reached\":{\"level\":0,\"facts\":[\"no_new_privs\"]}}\n"
        );
    }
}
