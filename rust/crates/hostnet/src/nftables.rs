//! The guard of a default route: an nftables table for each link and IP version, like those of wg-quick(8).
//!
//! Messages are encoded here (linux/netfilter/nf_tables.h); the result is the same as that of `nft`, which also lists
//! it.

mod constants;
mod encode;
mod guard;
mod message;
mod parse;

use netlink_packet_core::NetlinkBuffer;
use netlink_sys::protocols::NETLINK_NETFILTER;

use crate::error::{EINVAL, ENOENT, EOPNOTSUPP, EPROTONOSUPPORT, NetError, Refusal};
use crate::rule::Version;
use crate::socket::NetlinkSocket;
use constants::{
    AF_UNSPEC, NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, NFT_MSG_DELTABLE, NFT_MSG_GETRULE, NFT_MSG_GETTABLE,
    NFTA_RULE_TABLE, NFTA_TABLE_HANDLE, TABLE_CHANGES,
};
pub use guard::Guard;
use message::Message;
use parse::{Table, parse_rule, parse_table};

/// A socket to nf_tables in the network namespace in which it was opened.
pub struct Nftables(Result<NetlinkSocket, Option<i32>>);

impl Nftables {
    /// Open a socket in the network namespace of the calling thread. Needs no privilege; all requests do.
    #[must_use]
    pub fn open() -> Self {
        Self(NetlinkSocket::open(NETLINK_NETFILTER).map_err(|error| error.raw_os_error()))
    }

    /// Return the guards that [`Nftables::set_guard`] created, here or in a process that has ended.
    ///
    /// A guard that others have changed has the mark 0.
    ///
    /// # Errors
    /// [`NetError::NoNftables`], [`NetError::NotPermitted`].
    pub fn guards(&mut self) -> Result<Vec<Guard>, NetError> {
        let found = self.tables().and_then(|tables| tables.into_iter().map(|table| self.guard(&table)).collect());
        found.map_err(|refusal| map_error(refusal, "listing nftables tables".into()))
    }

    /// Create a guard, or replace ours of the same link and version, entirely or not at all.
    ///
    /// # Errors
    /// [`NetError`]; EEXIST if there is a table of its name which is not ours.
    pub fn set_guard(&mut self, guard: &Guard) -> Result<(), NetError> {
        let result = self.handle(guard.version, &guard.link).and_then(|before| {
            let removal = before.map(|handle| (deletion(guard.version, handle), 0));
            self.transact(removal.into_iter().chain(encode::messages(guard)).collect())
        });
        result.map_err(|refusal| map_error(refusal, format!("adding nftables table {guard}")))
    }

    /// Remove our guard of that link and version, never a table created by others.
    ///
    /// # Errors
    /// [`NetError`]; ENOENT if there is none.
    pub fn remove_guard(&mut self, version: Version, link: &str) -> Result<(), NetError> {
        let operation = || format!("removing nftables table {}", guard::name(version, link));
        let missing = || Refusal::from(std::io::Error::from_raw_os_error(ENOENT)).to(operation());
        let handle =
            self.handle(version, link).map_err(|refusal| map_error(refusal, operation()))?.ok_or_else(missing)?;
        self.transact(vec![(deletion(version, handle), 0)]).map_err(|refusal| refusal.to(operation()))
    }

    fn handle(&mut self, version: Version, link: &str) -> Result<Option<u64>, Refusal> {
        let is_it = |table: &Table| table.version == version && table.link == link;
        Ok(self.tables()?.into_iter().find(is_it).map(|table| table.handle))
    }

    fn tables(&mut self) -> Result<Vec<Table>, Refusal> {
        self.socket()?.list(&Message::new(NFT_MSG_GETTABLE, AF_UNSPEC), parse_table)
    }

    fn guard(&mut self, table: &Table) -> Result<Guard, Refusal> {
        let mut message = Message::new(NFT_MSG_GETRULE, table.version.number());
        message.body.put_text(NFTA_RULE_TABLE, &guard::table_name(&table.link));
        let rules = self.socket()?.list(&message, |body| parse_rule(body, &table.link))?;
        Ok(parse::guard(table, &rules))
    }

    fn transact(&mut self, mut messages: Vec<(Message, u16)>) -> Result<(), Refusal> {
        messages.insert(0, (Message::frame(NFNL_MSG_BATCH_BEGIN), 0));
        messages.push((Message::frame(NFNL_MSG_BATCH_END), 0));
        self.socket()?.transact(&messages)
    }

    fn socket(&mut self) -> Result<&mut NetlinkSocket, Refusal> {
        self.0.as_mut().map_err(|errno| std::io::Error::from_raw_os_error(errno.unwrap_or(EPROTONOSUPPORT)).into())
    }
}

/// Return the link whose guard a notification concerns, if it concerns one: its table, a chain or a rule of it.
pub(crate) fn link_of_change(notice: &NetlinkBuffer<&[u8]>) -> Option<String> {
    let is_known = TABLE_CHANGES.iter().any(|kind| message::number(*kind) == notice.message_type());
    let name = is_known.then(|| parse::table_of_change(notice.payload())).flatten()?;
    guard::link_of(&name).map(str::to_owned)
}

/// Delete a table by its handle, which is never reused: a table of others with its name stays.
fn deletion(version: Version, handle: u64) -> Message {
    let mut message = Message::new(NFT_MSG_DELTABLE, version.number());
    message.body.put(NFTA_TABLE_HANDLE, &handle.to_be_bytes());
    message
}

fn map_error(refusal: Refusal, operation: String) -> NetError {
    if [EINVAL, ENOENT, EOPNOTSUPP, EPROTONOSUPPORT].into_iter().any(|errno| refusal.is(errno)) {
        return NetError::NoNftables { operation, source: refusal.source };
    }
    refusal.to(operation)
}
