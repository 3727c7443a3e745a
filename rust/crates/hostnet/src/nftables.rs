//! The guard of a default route: a table of nftables for each link and version of IP, as wg-quick(8) makes them.
//!
//! Messages are written here (linux/netfilter/nf_tables.h); what they put is what `nft` would have put, and `nft` shows it.

mod constants;
mod encode;
mod guard;
mod message;
mod parse;

use netlink_sys::protocols::NETLINK_NETFILTER;

use crate::error::{EINVAL, ENOENT, EOPNOTSUPP, EPROTONOSUPPORT, NetError, Refusal};
use crate::rule::Version;
use crate::socket::NetlinkSocket;
use constants::{
    AF_UNSPEC, NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, NFT_MSG_DELTABLE, NFT_MSG_GETRULE, NFT_MSG_GETTABLE,
    NFTA_RULE_TABLE, NFTA_TABLE_HANDLE,
};
pub use guard::Guard;
use message::Message;
use parse::{Table, parse_rule, parse_table};

/// A socket to nf_tables in the network namespace in which it was opened.
pub struct Nftables(Result<NetlinkSocket, Option<i32>>);

impl Nftables {
    /// Opens a socket in the network namespace of the calling thread. Needs no privilege, all else does.
    #[must_use]
    pub fn open() -> Self {
        Self(NetlinkSocket::open(NETLINK_NETFILTER).map_err(|error| error.raw_os_error()))
    }

    /// The guards that [`Nftables::set_guard`] made, here or in a process that ended since.
    ///
    /// One in which others have changed something has the mark 0.
    ///
    /// # Errors
    /// [`NetError::NoNftables`], [`NetError::NotPermitted`].
    pub fn guards(&mut self) -> Result<Vec<Guard>, NetError> {
        let found = self.tables().and_then(|tables| tables.into_iter().map(|table| self.guard(&table)).collect());
        found.map_err(|refusal| named(refusal, "listing nftables tables".into()))
    }

    /// Makes a guard, in the place of the one of ours that has its link and version. Whole or not at all.
    ///
    /// # Errors
    /// [`NetError`]; EEXIST if another has made a table of its name.
    pub fn set_guard(&mut self, guard: &Guard) -> Result<(), NetError> {
        let result = self.handle(guard.version, &guard.link).and_then(|before| {
            let removal = before.map(|handle| (deletion(guard.version, handle), 0));
            self.transact(removal.into_iter().chain(encode::messages(guard)).collect())
        });
        result.map_err(|refusal| named(refusal, format!("adding nftables table {guard}")))
    }

    /// Removes the guard of ours with that link and version: never a table that another made.
    ///
    /// # Errors
    /// [`NetError`]; ENOENT if there is none.
    pub fn remove_guard(&mut self, version: Version, link: &str) -> Result<(), NetError> {
        let doing = || format!("removing nftables table {}", guard::name(version, link));
        let missing = || Refusal::from(std::io::Error::from_raw_os_error(ENOENT)).to(doing());
        let handle = self.handle(version, link).map_err(|refusal| named(refusal, doing()))?.ok_or_else(missing)?;
        self.transact(vec![(deletion(version, handle), 0)]).map_err(|refusal| refusal.to(doing()))
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

/// Takes a table away by its number, which is never used again: a table of another with its name stays.
fn deletion(version: Version, handle: u64) -> Message {
    let mut message = Message::new(NFT_MSG_DELTABLE, version.number());
    message.body.put(NFTA_TABLE_HANDLE, &handle.to_be_bytes());
    message
}

fn named(refusal: Refusal, doing: String) -> NetError {
    if [EINVAL, ENOENT, EOPNOTSUPP, EPROTONOSUPPORT].into_iter().any(|errno| refusal.is(errno)) {
        return NetError::NoNftables { doing, source: refusal.source };
    }
    refusal.to(doing)
}
