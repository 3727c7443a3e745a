//! The memory of this process as the kernel reports it (proc(5), smaps), and its content in a child process.
//!
//! One test, since a fork copies any lock that another thread holds at that moment.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::hint::black_box;
use std::sync::mpsc;
use std::thread;

use keymem::{SECRET_BYTES, Secret, with_wiped_stack};

/// Return the flags of the mapping of an address: `lo` locked, `dd` not in core files, `wf` wiped by a fork.
fn flags(address: usize) -> Vec<String> {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut within = false;
    for line in smaps.lines() {
        let range = line.split_whitespace().next().unwrap().split_once('-');
        let bounds = range.and_then(|(a, b)| Some((hex(a)?, hex(b)?)));
        if let Some((start, end)) = bounds {
            within = (start..end).contains(&address);
        } else if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| within) {
            return flags.split_whitespace().map(str::to_owned).collect();
        }
    }
    unreachable!("the address is mapped")
}

fn hex(text: &str) -> Option<usize> {
    usize::from_str_radix(text, 16).ok()
}

fn has(address: usize, flag: &str) -> bool {
    flags(address).iter().any(|each| each == flag)
}

fn locked_kilobytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Return the result of `check` in a child process.
fn in_a_child(check: impl FnOnce() -> bool) -> bool {
    // SAFETY: no other thread of this process could hold a lock, except those of the harness, which wait.
    match unsafe { libc::fork() } {
        0 => {
            let status = i32::from(!check());
            // SAFETY: ends the child without running the exit handlers of its parent.
            unsafe { libc::_exit(status) }
        }
        child => {
            let mut status = -1;
            // SAFETY: the status is written to a valid pointer.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            status == 0
        }
    }
}

#[test]
fn keys_are_locked_excluded_from_core_files_and_forks_and_wiped_when_dropped() {
    let before = keymem::state();
    let secret = Secret::from(&[0xa7; SECRET_BYTES]);
    let address = secret.as_ptr().addr();
    let now = keymem::state();
    assert_eq!(now.used_bytes, before.used_bytes + SECRET_BYTES);
    assert!(has(address, "dd") && has(address, "wf"), "{:?}", flags(address));
    assert_eq!(has(address, "lo"), now.refusal.is_none(), "{now:?}");
    assert_eq!(now.locked_bytes == now.mapped_bytes, now.refusal.is_none());
    let usual = Box::new(0u8);
    assert!(!has((&raw const *usual).addr(), "dd"), "only these pages");

    children_find_nothing(&secret);
    many_are_apart_and_come_back();

    let wiped_count = keymem::wiped_count();
    drop(secret);
    assert!(keymem::wiped_count() > wiped_count);
    let next = Secret::default();
    assert_eq!((next.as_ptr().addr(), *next), (address, [0; SECRET_BYTES]), "the same place, wiped");
    drop(next);
    assert_eq!(keymem::state().used_bytes, before.used_bytes);

    stacks_are_shielded();
    burnt_work_leaves_nothing();
}

fn children_find_nothing(secret: &Secret) {
    assert!(in_a_child(|| **secret == [0; SECRET_BYTES]), "a child reads its parent's key");
    assert_eq!(**secret, [0xa7; SECRET_BYTES], "what the child has done is its own");
    let locks = keymem::state().refusal.is_none();
    assert!(in_a_child(|| {
        let (inherited, own) = (locked_kilobytes(), Secret::from(&[1; SECRET_BYTES]));
        inherited == 0 && (locked_kilobytes() > 0) == locks && *own == [1; SECRET_BYTES]
    }));
}

/// Allocates more secrets than fit into the existing pages.
fn many_are_apart_and_come_back() {
    let mapped = keymem::state().mapped_bytes;
    let octets = |number: usize| std::array::from_fn(|at| number.to_le_bytes()[at % 8]);
    let many: Vec<Secret> = (0..5000).map(|number| Secret::from(&octets(number))).collect();
    assert!(keymem::state().mapped_bytes >= mapped + 4000 * SECRET_BYTES);
    assert!(many.iter().enumerate().all(|(number, secret)| **secret == octets(number)));
    drop(many);
    let grown = keymem::state().mapped_bytes;
    drop((0..5000).map(|_| Secret::default()).collect::<Vec<_>>());
    assert_eq!(keymem::state().mapped_bytes, grown, "pages are used again");
}

fn stacks_are_shielded() {
    let (tell, map_errno) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let other = thread::spawn(move || {
        let work = || {
            let trace = black_box([0xc3u8; 64]);
            let address = (&raw const trace).expose_provenance();
            tell.send(address).unwrap();
            released.recv().unwrap_err();
            black_box(&trace);
            address
        };
        // SAFETY: no child process of this thread is created here.
        let address = unsafe { keymem::with_protected_stack(work) };
        assert!(!has(address, "dd") && !has(address, "wf"), "the stack is as any other again");
    });
    let address = map_errno.recv().unwrap();
    assert!(has(address, "dd") && has(address, "wf"), "{:?}", flags(address));
    // SAFETY: the other thread waits with these octets on its stack until it is released.
    let trace = || unsafe { *std::ptr::with_exposed_provenance::<[u8; 64]>(address) };
    assert_eq!(trace(), [0xc3; 64]);
    assert!(in_a_child(|| trace() == [0; 64]), "a child reads the stack of a thread that computes with keys");
    drop(release);
    other.join().unwrap();
}

fn burnt_work_leaves_nothing() {
    let leave = || {
        let trace = black_box([0xe5u8; 4096]);
        let address = black_box(&trace).as_ptr().expose_provenance();
        black_box(&trace);
        address
    };
    let address = with_wiped_stack(leave);
    // SAFETY: below this frame, on a stack that is mapped; volatile, since nothing else keeps it.
    let left = (0..4096).map(|at| unsafe { std::ptr::with_exposed_provenance::<u8>(address + at).read_volatile() });
    assert!(left.filter(|octet| *octet == 0xe5).count() < 32);
}
