//! The log on standard error: text on a terminal, otherwise JSON; one line per record.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::record::{Level, Record};

/// The threshold of `LOG_LEVEL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threshold {
    Verbose,
    Error,
    Silent,
}

/// The log of one interface.
pub(crate) struct Log {
    threshold: Threshold,
    ifname: String,
    terminal: bool,
}

impl Log {
    pub(crate) fn new(threshold: Threshold, ifname: &str) -> Self {
        Self { threshold, ifname: ifname.to_owned(), terminal: io::stderr().is_terminal() }
    }

    /// Write `record` if its level is enabled. Errors of standard error are ignored.
    pub(crate) fn write(&self, record: &Record) {
        let least = match self.threshold {
            Threshold::Verbose => Level::Debug,
            Threshold::Error => Level::Warning,
            Threshold::Silent => return,
        };
        if record.level >= least {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let line = if self.terminal { text(&self.ifname, record, now) } else { json(&self.ifname, record, now) };
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }
}

/// Format a record as `13:47:00 wg0 port.bound port=51820`, in UTC.
fn text(ifname: &str, record: &Record, since_epoch: Duration) -> String {
    let day = since_epoch.as_secs() % 86_400;
    let mut line = format!("{:02}:{:02}:{:02} {ifname} {}", day / 3600, day / 60 % 60, day % 60, record.event);
    for (name, value) in &record.fields {
        // Writing to a String cannot fail.
        let _ = write!(line, " {name}={}", value.escape_debug());
    }
    line.push('\n');
    line
}

/// Format a record as a JSON object: `ts level event interface` and the record's fields.
fn json(ifname: &str, record: &Record, since_epoch: Duration) -> String {
    let ts = timestamp(since_epoch);
    let head = [("ts", ts.as_str()), ("level", record.level.name()), ("event", record.event), ("interface", ifname)];
    let fields = record.fields.iter().map(|(name, value)| (*name, value.as_str()));
    let members: Vec<String> = head.into_iter().chain(fields).map(|(name, value)| member(name, value)).collect();
    format!("{{{}}}\n", members.join(","))
}

fn member(name: &str, value: &str) -> String {
    let mut text = format!("\"{name}\":\"");
    for letter in value.chars() {
        // RFC 8259, section 7: these must be escaped. Writing to a String cannot fail.
        let _ = match letter {
            '"' | '\\' => write!(text, "\\{letter}"),
            control if u32::from(control) < 0x20 => write!(text, "\\u{:04x}", u32::from(control)),
            other => write!(text, "{other}"),
        };
    }
    text.push('"');
    text
}

/// Format a time as in RFC 3339, in UTC with milliseconds.
fn timestamp(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let milliseconds = since_epoch.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

/// Return the Gregorian date `days` after 1970-01-01, counted in years that start in March, so that the leap day is the
/// last.
fn date(days: u64) -> (u64, u64, u64) {
    // 719,468 days from 0000-03-01 to 1970-01-01; 146,097 in 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Five months from March have 153 days, and again from August.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record { level: Level::Warning, event: "request.rejected", fields: vec![("reason", "a \"b\"\n\\".to_owned())] }
    }

    #[test]
    fn a_record_is_one_line() {
        let time = Duration::from_millis(1_800_000_000_123);
        assert_eq!(text("wg0", &record(), time), "08:00:00 wg0 request.rejected reason=a \\\"b\\\"\\n\\\\\n");
        assert_eq!(
            json("wg0", &record(), time),
            "{\"ts\":\"2027-01-15T08:00:00.123Z\",\"level\":\"warning\",\"event\":\"request.rejected\",\
             \"interface\":\"wg0\",\"reason\":\"a \\\"b\\\"\\u000a\\\\\"}\n"
        );
    }

    /// Days as `date -u -d DATE +%s` has them, divided by 86,400.
    #[test]
    fn dates_are_computed() {
        let known = [
            (0, (1970, 1, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_777, (2026, 11, 20)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ];
        for (days, expected) in known {
            assert_eq!(date(days), expected);
        }
    }
}
