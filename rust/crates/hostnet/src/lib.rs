//! Links, addresses and routes of this host over netlink.
#![forbid(unsafe_code)]
