//! A TUN with the kernel's network stack behind it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot be set up is a failure of its own"
)]

#[path = "../../hostnet/tests/namespace/mod.rs"]
mod namespace;

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use device::inner::LinkState;
use device::packet::virtio::{HEADER_BYTES, Virtio};
use device::tun::{Tun, TunError, TunStop};
use namespace::{enter, ip};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{CapabilitySet, CapabilitySets};

/// Wait for a packet that `wanted` accepts; others are the kernel's own, such as IPv6 router solicitations.
fn read_until(tun: &Tun, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut buffer = vec![0; HEADER_BYTES + 65_535];
    loop {
        match tun.read(&mut buffer) {
            Ok((_, len)) if wanted(&buffer[HEADER_BYTES..][..len]) => return buffer[HEADER_BYTES..][..len].to_vec(),
            Ok(_) => {}
            Err(TunStop::Wait) => {
                let deadline = Timespec { tv_sec: 10, tv_nsec: 0 };
                assert_eq!(poll(&mut [PollFd::new(tun, PollFlags::IN)], Some(&deadline)), Ok(1), "no packet came");
            }
            Err(stop) => panic!("{stop}"),
        }
    }
}

fn write(tun: &Tun, packet: &[u8]) -> Result<(), TunStop> {
    tun.write(&[&Virtio::PLAIN.encode(), packet])
}

/// Return an ICMP echo request from 10.7.0.2 to 10.7.0.1.
fn echo_request() -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0, 10, 7, 0, 2, 10, 7, 0, 1, 8, 0, 0, 0, 0, 9, 0, 1];
    for (start, end, at) in [(0, 20, 10), (20, 28, 22)] {
        let sum: u32 = packet[start..end].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let folded = !((sum & 0xffff) + (sum >> 16)) as u16;
        packet[at..at + 2].copy_from_slice(&folded.to_be_bytes());
    }
    packet
}

fn drop_capabilities() {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).unwrap();
}

#[test]
fn packets_pass_in_both_directions() {
    enter();
    let tun = Tun::create("wg0").unwrap();
    ip("address add 10.7.0.1/24 dev wg0");
    ip("link set wg0 up");
    write(&tun, &echo_request()).unwrap();
    let answer = read_until(&tun, |packet| packet[0] >> 4 == 4);
    assert_eq!(answer.len(), 28);
    assert_eq!((&answer[12..20], answer[20]), (&[10, 7, 0, 1, 10, 7, 0, 2][..], 0), "an echo reply");
}

#[test]
fn the_largest_packet_is_read_completely() {
    enter();
    let tun = Tun::create("wg0").unwrap();
    ip("link set wg0 mtu 65535 up");
    ip("address add 10.7.0.1/24 dev wg0");
    let socket = std::net::UdpSocket::bind("10.7.0.1:0").unwrap();
    socket.send_to(&[7; 65_507], "10.7.0.2:9").unwrap();
    let packet = read_until(&tun, |packet| packet[0] >> 4 == 4);
    assert_eq!(packet.len(), 65_535);
    assert_eq!(packet[28..], [7; 65_507]);
}

#[test]
fn the_state_follows_the_link() {
    enter();
    let tun = Tun::create("wg0").unwrap();
    assert_eq!(tun.state(), LinkState::Down);
    for _ in 0..3 {
        ip("link set wg0 up");
        assert_eq!(tun.state(), LinkState::Up);
        ip("link set wg0 down");
        assert_eq!(tun.state(), LinkState::Down);
    }
    assert!(matches!(write(&tun, &echo_request()), Err(TunStop::Down)));
    // What the kernel sent while the link was up can still be read.
    let mut buffer = [0; 1500];
    let end = std::iter::repeat_with(|| tun.read(&mut buffer)).find_map(Result::err);
    assert!(matches!(end, Some(TunStop::Wait)));
    ip("link delete wg0");
    assert_eq!(tun.state(), LinkState::Gone);
    assert!(matches!(write(&tun, &echo_request()), Err(TunStop::Gone)));
    assert!(matches!(tun.read(&mut [0; 100]), Err(TunStop::Gone)));
    assert!(tun.name().is_err());
}

#[test]
fn an_invalid_packet_is_rejected_alone() {
    enter();
    let tun = Tun::create("wg0").unwrap();
    ip("link set wg0 up");
    assert!(matches!(write(&tun, &[0; 40]), Err(TunStop::Refused(_))));
    assert_eq!(tun.state(), LinkState::Up);
}

#[test]
fn name_and_state_are_correct_in_another_namespace_and_after_a_rename() {
    enter();
    let tun = Tun::create("wg0").unwrap();
    ip("link set wg0 name wg7");
    assert_eq!(tun.name().unwrap(), "wg7");
    let elsewhere = std::thread::spawn(|| {
        enter();
        let (_, thread) = (ip("link show"), rustix::thread::gettid());
        let space = File::open(format!("/proc/self/task/{}/ns/net", thread.as_raw_nonzero())).unwrap();
        OwnedFd::from(space)
    });
    let space = elsewhere.join().unwrap();
    // ip(8) opens the path in a process of its own, so it must name this one.
    let path = format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&space));
    ip(&format!("link set wg7 netns {path}"));
    assert!(!ip("link show").contains("wg7"));
    assert_eq!((tun.name().unwrap().as_str(), tun.state()), ("wg7", LinkState::Down));
    rustix::thread::move_into_link_name_space(space.as_fd(), None).unwrap();
    ip("link set wg7 name wg9 up");
    assert_eq!((tun.name().unwrap().as_str(), tun.state()), ("wg9", LinkState::Up));
}

#[test]
fn closing_the_descriptor_deletes_the_link() {
    enter();
    drop(Tun::create("wg0").unwrap());
    assert!(!ip("link show").contains("wg0"));
}

#[test]
fn a_persistent_tun_is_opened_by_one_program_only() {
    enter();
    ip("tuntap add wg0 mode tun");
    let _tun = Tun::create("wg0").unwrap();
    let error = Tun::create("wg0").unwrap_err();
    assert_eq!(error.to_string(), "link \"wg0\" is in use by another program");
}

#[test]
fn a_link_of_another_kind_is_rejected() {
    enter();
    ip("link add wg0 type veth peer name wg1");
    let error = Tun::create("wg0").unwrap_err();
    assert!(matches!(&error, TunError::OtherKind { name } if name == "wg0"), "{error}");
}

#[test]
fn an_invalid_link_name_is_rejected() {
    for name in ["", "sixteen-octets-x", "a/b", "a b", "a\tb", "a:b", "tun%d", ".", ".."] {
        let error = Tun::create(name).unwrap_err();
        assert!(error.to_string().starts_with(&format!("invalid link name {name:?}")), "{error}");
    }
    enter();
    assert!(Tun::create("fifteen-octets-").is_ok());
}

#[test]
fn a_missing_privilege_is_reported_with_the_capability() {
    enter();
    drop_capabilities();
    let error = Tun::create("wg0").unwrap_err();
    // Where this user cannot open the device, that error comes first.
    let texts = [
        "no permission to create link \"wg0\": needs CAP_NET_ADMIN",
        "no permission to open /dev/net/tun: needs read and write access, and in a container also a device rule",
    ];
    assert!(texts.contains(&error.to_string().as_str()), "{error}");
}

#[test]
fn a_missing_driver_and_missing_access_are_reported_with_a_hint() {
    let root = tempfile::tempdir().unwrap();
    // SAFETY: root and working directory become this thread's own; no descriptor or memory is affected.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::FS) }.unwrap();
    rustix::process::chroot(root.path()).expect("chroot(2) needs CAP_SYS_CHROOT: run this as root");
    std::env::set_current_dir("/").unwrap();
    let error = Tun::create("wg0").unwrap_err();
    assert!(error.to_string().contains("modprobe tun"), "{error}");
    std::fs::create_dir_all("/dev/net").unwrap();
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o000);
    File::create("/dev/net/tun").unwrap().set_permissions(closed).unwrap();
    drop_capabilities();
    let error = Tun::create("wg0").unwrap_err();
    assert!(error.to_string().starts_with("no permission to open /dev/net/tun"), "{error}");
}

#[test]
fn an_inherited_descriptor_must_be_a_tun() {
    enter();
    let tun = Tun::create("wg0").unwrap();
    let given = Tun::from_fd(tun.as_fd().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!(given.name().unwrap(), "wg0");
    let refusal = |fd| Tun::from_fd(fd).unwrap_err().to_string();
    let null = File::open("/dev/null").unwrap().into();
    assert_eq!(refusal(null), "the descriptor is not a usable TUN: it is another kind of file");
    let empty = File::open("/dev/net/tun").unwrap().into();
    assert_eq!(refusal(empty), "the descriptor is not a usable TUN: it has no link");
}

#[test]
fn a_descriptor_with_another_header_is_rejected() {
    enter();
    let refusal = |flags| Tun::from_fd(open(flags)).unwrap_err().to_string();
    assert!(refusal(libc::IFF_TAP | libc::IFF_NO_PI).contains("TAP"));
}

#[test]
fn a_descriptor_without_the_virtio_header_works_without_offloads() {
    enter();
    let tun = Tun::from_fd(open(libc::IFF_TUN | libc::IFF_NO_PI)).unwrap();
    assert!(tun.offloads().tcp.is_err() && tun.offloads().udp.is_err());
    let name = tun.name().unwrap();
    ip(&format!("address add 10.7.0.1/24 dev {name}"));
    ip(&format!("link set {name} up"));
    write(&tun, &echo_request()).unwrap();
    assert_eq!(read_until(&tun, |packet| packet[0] >> 4 == 4).len(), 28);
}

#[test]
fn a_created_tun_has_every_offload_also_when_inherited() {
    enter();
    let tun = Tun::create("wg0").unwrap();
    let given = Tun::from_fd(tun.as_fd().try_clone_to_owned().unwrap()).unwrap();
    for tun in [&tun, &given] {
        assert_eq!((&tun.offloads().tcp, &tun.offloads().udp), (&Ok(()), &Ok(())));
    }
}

/// Open a descriptor of the driver with these flags.
fn open(flags: libc::c_int) -> OwnedFd {
    let fd = File::options().read(true).write(true).open("/dev/net/tun").unwrap();
    let mut request = [0u8; 40];
    request[16..18].copy_from_slice(&(flags as libc::c_short).to_ne_bytes());
    // SAFETY: TUNSETIFF reads and writes a `struct ifreq`, at most 40 octets.
    let result = unsafe { libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(&fd), libc::TUNSETIFF, request.as_mut_ptr()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    fd.into()
}

#[test]
fn an_inherited_descriptor_becomes_non_blocking() {
    enter();
    let tun = Tun::create("wg0").unwrap();
    let flags = rustix::fs::fcntl_getfl(&tun).unwrap();
    rustix::fs::fcntl_setfl(&tun, flags - rustix::fs::OFlags::NONBLOCK).unwrap();
    let given = Tun::from_fd(tun.as_fd().try_clone_to_owned().unwrap()).unwrap();
    assert!(matches!(given.read(&mut [0; 100]), Err(TunStop::Wait)));
}
