//! The filter of system calls (seccomp(2)) that a program and all of its descendants have.
//!
//! A call on the list answers ENOSYS, as on a kernel without it, so that programs take their fallback: glibc starts
//! threads by clone(2) where clone3(2) is missing. The list has what reaches other processes, other namespaces, the
//! kernel's own interfaces, or memory that no limit counts. Everything else is allowed: the filter is not an allowlist,
//! because scripts run any program of the host.

use std::env::consts::ARCH;

use libc::{c_int, c_long};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter, sock_filter,
};

use crate::report::Failure;

/// Namespaces (clone(2), unshare(2)). A program that creates a user namespace has every capability in it.
const NAMESPACES: [c_int; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];
/// The time namespace's flag is part of the exit signal in clone(2), and a namespace in unshare(2) only.
const NEWTIME: c_int = 0x80;
/// Address families that a program may use. Others are rarely tested code of the kernel, or leave the network namespace
/// (vsock(7)).
const FAMILIES: [c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
/// Modes that would let other users act as this one.
const SET_ID: [u32; 2] = [libc::S_ISUID, libc::S_ISGID];
const CREATE: [c_int; 2] = [libc::O_CREAT, libc::O_TMPFILE & !libc::O_DIRECTORY];
/// Calls that the library has no number for on every architecture; new ones have one number everywhere.
const OPEN_TREE_ATTR: c_long = 467;

/// Calls that are denied with any argument.
const DENIED: [c_long; 48] = [
    // Namespaces: the flags of clone3 are in memory, where a filter cannot read them.
    libc::SYS_clone3,
    libc::SYS_setns,
    // Mounts.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    OPEN_TREE_ATTR,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    // Files by handle, past all directories; and openat2, whose mode a filter cannot read.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_openat2,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    // Keyrings.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Interfaces with a history of kernel exploits.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_fanotify_init,
    libc::SYS_syslog,
    // The kernel itself.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_acct,
];
#[cfg(target_arch = "x86_64")]
const DENIED_HERE: [c_long; 3] = [libc::SYS_modify_ldt, libc::SYS_iopl, libc::SYS_ioperm];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_HERE: [c_long; 0] = [];

/// Memory that belongs to no process, so that no limit of a process counts it.
const ANONYMOUS_FILES: [c_long; 2] = [libc::SYS_memfd_create, libc::SYS_memfd_secret];
const SYSTEM_V_IPC: [c_long; 12] = [
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmdt,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
];
const POSIX_QUEUES: [c_long; 6] = [
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_mq_timedsend,
    libc::SYS_mq_timedreceive,
    libc::SYS_mq_notify,
    libc::SYS_mq_getsetattr,
];

/// Calls that set the mode of a file: the call, and which argument is the mode.
const MODES: [(c_long, u8); 4] =
    [(libc::SYS_fchmod, 1), (libc::SYS_fchmodat, 2), (libc::SYS_fchmodat2, 2), (libc::SYS_mknodat, 2)];
#[cfg(target_arch = "x86_64")]
const MODES_HERE: [(c_long, u8); 3] = [(libc::SYS_chmod, 1), (libc::SYS_mknod, 1), (libc::SYS_creat, 1)];
#[cfg(not(target_arch = "x86_64"))]
const MODES_HERE: [(c_long, u8); 0] = [];
/// Calls that create a file if their flags say so: the call, which argument the flags are, and which the mode.
const OPENS: [(c_long, u8, u8); 1] = [(libc::SYS_openat, 2, 3)];
#[cfg(target_arch = "x86_64")]
const OPENS_HERE: [(c_long, u8, u8); 1] = [(libc::SYS_open, 1, 2)];
#[cfg(not(target_arch = "x86_64"))]
const OPENS_HERE: [(c_long, u8, u8); 0] = [];

/// The isolation of this run, which decides which further calls are denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Isolation {
    /// The run has an IPC namespace.
    pub(crate) has_ipc: bool,
    /// The kernel limits the memory of the whole run.
    pub(crate) has_cgroup: bool,
}

/// Install the filter for this process and what it executes; NO_NEW_PRIVS is set. Return whether this kernel has
/// filters.
///
/// # Errors
/// When the kernel has filters and refuses this one.
pub(crate) fn filter(isolation: Isolation) -> Result<bool, Failure> {
    let Ok(architecture) = TargetArch::try_from(ARCH) else {
        return Ok(false);
    };
    let program = compile(isolation, architecture).map_err(|error| Failure::new("system_calls", error.to_string()))?;
    match apply_filter(&program) {
        Ok(()) => Ok(true),
        // Kernels without filters know neither the call nor the mode (seccomp(2)).
        Err(seccompiler::Error::Seccomp(error))
            if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) =>
        {
            Ok(false)
        }
        Err(error) => Err(Failure::new("system_calls", error.to_string())),
    }
}

fn compile(isolation: Isolation, architecture: TargetArch) -> Result<BpfProgram, BackendError> {
    let mut rules: std::collections::BTreeMap<i64, Vec<SeccompRule>> =
        denied(isolation).into_iter().map(|call| (call, Vec::new())).collect();
    let clone: Vec<_> = NAMESPACES.iter().map(|flag| has_bit(0, flag.cast_unsigned())).collect::<Result<_, _>>()?;
    let mut unshare = clone.clone();
    unshare.push(has_bit(0, NEWTIME.cast_unsigned())?);
    rules.insert(libc::SYS_clone, each_alone(clone)?);
    rules.insert(libc::SYS_unshare, each_alone(unshare)?);
    let is_no = |family: &c_int| condition(0, SeccompCmpOp::Ne, u64::from(family.cast_unsigned()));
    // The kernel creates the sockets of a pair, and loads the module of their family, before it looks whether that
    // family has pairs.
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        rules.insert(call, vec![SeccompRule::new(FAMILIES.iter().map(is_no).collect::<Result<_, _>>()?)?]);
    }
    for (call, mode) in MODES.iter().chain(&MODES_HERE) {
        rules.insert(*call, each_alone(SET_ID.iter().map(|bit| has_bit(*mode, *bit)).collect::<Result<_, _>>()?)?);
    }
    for (call, flags, mode) in OPENS.iter().chain(&OPENS_HERE) {
        let mut chain = Vec::new();
        for (flag, bit) in CREATE.iter().flat_map(|flag| SET_ID.iter().map(move |bit| (flag, bit))) {
            // Without such a flag the mode is whatever the register holds.
            chain.push(SeccompRule::new(vec![has_bit(*flags, flag.cast_unsigned())?, has_bit(*mode, *bit)?])?);
        }
        rules.insert(*call, chain);
    }
    let missing = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, missing, architecture)?;
    // A process that calls by the convention of another architecture is killed.
    let compiled = BpfProgram::try_from(filter)?;
    Ok(kill_x32().into_iter().chain(compiled).collect())
}

fn denied(isolation: Isolation) -> Vec<c_long> {
    let mut denied = [&DENIED[..], &DENIED_HERE].concat();
    if !isolation.has_cgroup {
        denied.extend(ANONYMOUS_FILES);
    }
    if !(isolation.has_cgroup && isolation.has_ipc) {
        denied.extend(SYSTEM_V_IPC);
    }
    if !isolation.has_ipc {
        denied.extend(POSIX_QUEUES);
    }
    denied
}

/// Match if the argument has this bit. The kernel uses the lower half of each argument that is compared here.
fn has_bit(argument: u8, bit: u32) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::MaskedEq(bit.into()), bit.into())
}

fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

/// Return a rule for each condition: any of them matches.
fn each_alone(conditions: Vec<SeccompCondition>) -> Result<Vec<SeccompRule>, BackendError> {
    conditions.into_iter().map(|condition| SeccompRule::new(vec![condition])).collect()
}

/// Return instructions that kill a process which calls by the x32 convention: its calls have the architecture of
/// x86-64 and numbers of their own, so that no rule would match them.
#[cfg(target_arch = "x86_64")]
fn kill_x32() -> Vec<sock_filter> {
    const X32_BIT: u32 = 0x4000_0000;
    const NUMBER_OFFSET: u32 = 0;
    let instruction = |code: u32, k: u32, jf: u8| sock_filter { code: code as u16, jt: 0, jf, k };
    vec![
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER_OFFSET, 0),
        instruction(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, X32_BIT, 1),
        instruction(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_KILL_PROCESS, 0),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn kill_x32() -> Vec<sock_filter> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Isolation = Isolation { has_ipc: false, has_cgroup: false };
    const EVERYTHING: Isolation = Isolation { has_ipc: true, has_cgroup: true };

    #[test]
    fn memory_and_ipc_are_denied_where_nothing_bounds_them() {
        for call in [libc::SYS_memfd_create, libc::SYS_shmget, libc::SYS_mq_open] {
            assert!(denied(NOTHING).contains(&call));
            assert!(!denied(EVERYTHING).contains(&call));
        }
        let without_cgroup = denied(Isolation { has_ipc: true, has_cgroup: false });
        assert!(without_cgroup.contains(&libc::SYS_shmget));
        assert!(!without_cgroup.contains(&libc::SYS_mq_open));
    }

    #[test]
    fn no_call_is_listed_twice() {
        let mut calls = denied(NOTHING);
        let count = calls.len();
        calls.sort_unstable();
        calls.dedup();
        assert_eq!(calls.len(), count);
    }

    #[test]
    fn the_filter_compiles_for_each_architecture() {
        for architecture in [TargetArch::x86_64, TargetArch::aarch64, TargetArch::riscv64] {
            assert!(compile(NOTHING, architecture).is_ok());
        }
    }
}
