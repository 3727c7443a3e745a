//! Encodes a guard as messages: its table, its chains, its rules.

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};

use super::constants::{
    NF_DROP, NF_INET_POST_ROUTING, NF_INET_PRE_ROUTING, NFT_CT_MARK, NFT_FIB_RESULT_ADDRTYPE, NFT_META_MARK,
    NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE, NFT_MSG_NEWTABLE, NFT_PAYLOAD_NETWORK_HEADER, NFT_REG_1, NFT_REG_VERDICT,
    NFTA_CHAIN_HOOK, NFTA_CHAIN_NAME, NFTA_CHAIN_TABLE, NFTA_CHAIN_TYPE, NFTA_CMP_DATA, NFTA_CMP_OP, NFTA_CMP_SREG,
    NFTA_CT_DREG, NFTA_CT_KEY, NFTA_CT_SREG, NFTA_DATA_VALUE, NFTA_DATA_VERDICT, NFTA_EXPR_DATA, NFTA_EXPR_NAME,
    NFTA_FIB_DREG, NFTA_FIB_F_SADDR, NFTA_FIB_FLAGS, NFTA_FIB_RESULT, NFTA_HOOK_HOOKNUM, NFTA_HOOK_PRIORITY,
    NFTA_IMMEDIATE_DATA, NFTA_IMMEDIATE_DREG, NFTA_LIST_ELEM, NFTA_META_DREG, NFTA_META_KEY, NFTA_META_SREG,
    NFTA_PAYLOAD_BASE, NFTA_PAYLOAD_DREG, NFTA_PAYLOAD_LEN, NFTA_PAYLOAD_OFFSET, NFTA_RULE_CHAIN,
    NFTA_RULE_EXPRESSIONS, NFTA_RULE_TABLE, NFTA_TABLE_NAME, NFTA_TABLE_USERDATA, NFTA_VERDICT_CODE,
};
use super::guard::{Expression, FilterRule, Guard, POSTMANGLE, PREMANGLE, PRERAW, table_name};
use super::message::Message;
use crate::attribute::Writer;

/// Chains with their hooks and priorities, which `nft` calls raw and mangle.
const CHAINS: [(&str, u32, i32); 3] = [
    (PRERAW, NF_INET_PRE_ROUTING, -300),
    (PREMANGLE, NF_INET_PRE_ROUTING, -150),
    (POSTMANGLE, NF_INET_POST_ROUTING, -150),
];

/// Return the messages with their flags, in the order in which they are to be sent.
pub(super) fn messages(guard: &Guard) -> Vec<(Message, u16)> {
    let (rules, anew) = (guard.rules(), NLM_F_CREATE | NLM_F_EXCL);
    let chains = CHAINS.iter().map(|(name, hook, priority)| (chain(guard, name, *hook, *priority), anew));
    let appended = rules.iter().map(|each| (rule(guard, each), NLM_F_CREATE | NLM_F_APPEND));
    [(table(guard), anew)].into_iter().chain(chains).chain(appended).collect()
}

fn table(guard: &Guard) -> Message {
    let mut message = Message::new(NFT_MSG_NEWTABLE, guard.version.number());
    message.body.put_text(NFTA_TABLE_NAME, &table_name(&guard.link));
    message.body.put(NFTA_TABLE_USERDATA, &guard.comment());
    message
}

fn chain(guard: &Guard, name: &str, hook: u32, priority: i32) -> Message {
    let mut message = Message::new(NFT_MSG_NEWCHAIN, guard.version.number());
    let body = &mut message.body;
    body.put_text(NFTA_CHAIN_TABLE, &table_name(&guard.link));
    body.put_text(NFTA_CHAIN_NAME, name);
    let nest = body.begin_nest(NFTA_CHAIN_HOOK);
    put_number(body, NFTA_HOOK_HOOKNUM, hook);
    body.put(NFTA_HOOK_PRIORITY, &priority.to_be_bytes());
    body.end(nest);
    body.put_text(NFTA_CHAIN_TYPE, "filter");
    message
}

fn rule(guard: &Guard, rule: &FilterRule) -> Message {
    let mut message = Message::new(NFT_MSG_NEWRULE, guard.version.number());
    let body = &mut message.body;
    body.put_text(NFTA_RULE_TABLE, &table_name(&guard.link));
    body.put_text(NFTA_RULE_CHAIN, rule.chain);
    let all = body.begin_nest(NFTA_RULE_EXPRESSIONS);
    for expression in &rule.expressions {
        let nest = body.begin_nest(NFTA_LIST_ELEM);
        body.put_text(NFTA_EXPR_NAME, expression.name());
        let data = body.begin_nest(NFTA_EXPR_DATA);
        put_expression(body, expression);
        body.end(data);
        body.end(nest);
    }
    body.end(all);
    message
}

fn put_expression(body: &mut Writer, expression: &Expression) {
    match expression {
        Expression::LoadMeta(key) => {
            put_numbers(body, &[(NFTA_META_KEY, *key), (NFTA_META_DREG, NFT_REG_1)]);
        }
        Expression::LoadDestination { offset, bytes } => put_numbers(
            body,
            &[
                (NFTA_PAYLOAD_DREG, NFT_REG_1),
                (NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER),
                (NFTA_PAYLOAD_OFFSET, *offset),
                (NFTA_PAYLOAD_LEN, *bytes),
            ],
        ),
        Expression::LoadSourceType => put_numbers(
            body,
            &[
                (NFTA_FIB_FLAGS, NFTA_FIB_F_SADDR),
                (NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE),
                (NFTA_FIB_DREG, NFT_REG_1),
            ],
        ),
        Expression::LoadConnectionMark => {
            put_numbers(body, &[(NFTA_CT_KEY, NFT_CT_MARK), (NFTA_CT_DREG, NFT_REG_1)]);
        }
        Expression::Compare { operation, value } => {
            put_numbers(body, &[(NFTA_CMP_SREG, NFT_REG_1), (NFTA_CMP_OP, *operation)]);
            let nest = body.begin_nest(NFTA_CMP_DATA);
            body.put(NFTA_DATA_VALUE, value);
            body.end(nest);
        }
        Expression::SetMark => {
            put_numbers(body, &[(NFTA_META_KEY, NFT_META_MARK), (NFTA_META_SREG, NFT_REG_1)]);
        }
        Expression::SetConnectionMark => {
            put_numbers(body, &[(NFTA_CT_KEY, NFT_CT_MARK), (NFTA_CT_SREG, NFT_REG_1)]);
        }
        Expression::Drop => {
            put_number(body, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
            let data = body.begin_nest(NFTA_IMMEDIATE_DATA);
            let verdict = body.begin_nest(NFTA_DATA_VERDICT);
            put_number(body, NFTA_VERDICT_CODE, NF_DROP);
            body.end(verdict);
            body.end(data);
        }
    }
}

impl Expression {
    /// Return the kernel's name of the expression.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::LoadMeta(_) | Self::SetMark => "meta",
            Self::LoadDestination { .. } => "payload",
            Self::LoadSourceType => "fib",
            Self::LoadConnectionMark | Self::SetConnectionMark => "ct",
            Self::Compare { .. } => "cmp",
            Self::Drop => "immediate",
        }
    }
}

fn put_numbers(body: &mut Writer, all: &[(u16, u32)]) {
    all.iter().for_each(|(kind, number)| put_number(body, *kind, *number));
}

/// Write a number; those of nf_tables are big-endian.
fn put_number(body: &mut Writer, kind: u16, number: u32) {
    body.put(kind, &number.to_be_bytes());
}
