//! Two machines and a simulated link between them: the rules that no single file of `proto` can hold alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod changes;
mod hostile;
mod load;
mod lossy;
mod quiet;
mod renewal;
mod roaming;
mod simulator;

/// Cases of a property: `quick`, or as many as `PROPTEST_CASES` asks for.
fn cases(quick: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(quick)
}
