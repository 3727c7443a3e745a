//! Two state machines and a simulated link between them: the rules that concern several files of `proto`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod changes;
mod hostile;
mod load;
mod lossy;
mod peers;
mod quiet;
mod renewal;
mod roaming;
mod simulator;

/// Return the number of cases of a property: `quick`, or `PROPTEST_CASES`.
fn cases(quick: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(quick)
}
