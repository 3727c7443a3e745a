//! Parses listings of the kernel: our tables, and their rules.

use netlink_packet_core::parse_ip;

use super::constants::{
    NFGENMSG_BYTES, NFTA_CMP_DATA, NFTA_DATA_VALUE, NFTA_EXPR_DATA, NFTA_EXPR_NAME, NFTA_RULE_CHAIN,
    NFTA_RULE_EXPRESSIONS, NFTA_RULE_TABLE, NFTA_TABLE_HANDLE, NFTA_TABLE_NAME, NFTA_TABLE_USERDATA,
};
use super::guard::{Expression, FilterRule, Guard, PREMANGLE, PRERAW, link_of, parse_comment, table_name};
use crate::rule::Version;
use crate::socket::{attributes, text};

/// A table of ours.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) version: Version,
    pub(super) link: String,
    /// Its handle, which is never reused.
    pub(super) handle: u64,
    sets_valid_mark: bool,
}

/// The part of a rule that identifies it: the kind of each expression, and the value that it compares with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outline {
    chain: String,
    expressions: Vec<(String, Vec<u8>)>,
}

/// Return the table if it is ours.
pub(super) fn parse_table(body: &[u8]) -> Option<Table> {
    let version = [Version::V4, Version::V6].into_iter().find(|version| body.first() == Some(&version.number()))?;
    let name = text(&value(body, NFGENMSG_BYTES, NFTA_TABLE_NAME)?);
    Some(Table {
        version,
        link: link_of(&name)?.into(),
        handle: u64::from_be_bytes(value(body, NFGENMSG_BYTES, NFTA_TABLE_HANDLE)?.try_into().ok()?),
        sets_valid_mark: parse_comment(&value(body, NFGENMSG_BYTES, NFTA_TABLE_USERDATA)?)?,
    })
}

/// Return the name of the table that a notification about a table, a chain or a rule concerns.
pub(super) fn table_of_change(body: &[u8]) -> Option<String> {
    value(body, NFGENMSG_BYTES, NFTA_TABLE_NAME).map(|name| text(&name))
}

/// Return the rule if it is in that link's table: old kernels do not filter.
pub(super) fn parse_rule(body: &[u8], link: &str) -> Option<Outline> {
    (text(&value(body, NFGENMSG_BYTES, NFTA_RULE_TABLE)?) == table_name(link)).then_some(())?;
    let all = value(body, NFGENMSG_BYTES, NFTA_RULE_EXPRESSIONS)?;
    let expressions = attributes(&all, 0);
    Some(Outline {
        chain: text(&value(body, NFGENMSG_BYTES, NFTA_RULE_CHAIN)?),
        expressions: expressions.filter_map(|element| parse_expression(element.value())).collect(),
    })
}

fn parse_expression(element: &[u8]) -> Option<(String, Vec<u8>)> {
    let name = text(&value(element, 0, NFTA_EXPR_NAME)?);
    let data = (name == "cmp").then(|| value(element, 0, NFTA_EXPR_DATA)).flatten().unwrap_or_default();
    let compared = value(&data, 0, NFTA_CMP_DATA).and_then(|nest| value(&nest, 0, NFTA_DATA_VALUE));
    Some((name, compared.unwrap_or_default()))
}

fn value(body: &[u8], header_bytes: usize, kind: u16) -> Option<Vec<u8>> {
    attributes(body, header_bytes).find(|attribute| attribute.kind() == kind).map(|found| found.value().to_vec())
}

/// Return the guard of a table with those rules; its mark is 0 if rules are missing or others were added.
pub(super) fn guard(table: &Table, rules: &[Outline]) -> Guard {
    let compared = |chain: &str| -> Vec<&[u8]> { rules.iter().filter_map(|rule| second_value(rule, chain)).collect() };
    let mark = compared(PREMANGLE).first().and_then(|value| (*value).try_into().ok());
    let mut guard = Guard {
        link: table.link.clone(),
        version: table.version,
        fwmark: mark.map_or(0, u32::from_ne_bytes),
        addresses: compared(PRERAW).into_iter().filter_map(|value| parse_ip(value).ok()).collect(),
        sets_valid_mark: table.sets_valid_mark,
    };
    if guard.rules().iter().map(outline).collect::<Vec<_>>() != rules {
        guard.fwmark = 0;
    }
    guard
}

/// Return the value of the second comparison of a rule of that chain: an address or a mark.
fn second_value<'a>(rule: &'a Outline, chain: &str) -> Option<&'a [u8]> {
    let mut compared = rule.expressions.iter().filter(|(name, _)| name == "cmp").map(|(_, value)| value.as_slice());
    compared.nth(1).filter(|_| rule.chain == chain)
}

fn outline(rule: &FilterRule) -> Outline {
    let expressions = rule.expressions.iter().map(|expression| match expression {
        Expression::Compare { value, .. } => (expression.name().into(), value.clone()),
        _ => (expression.name().into(), Vec::new()),
    });
    Outline { chain: rule.chain.into(), expressions: expressions.collect() }
}
