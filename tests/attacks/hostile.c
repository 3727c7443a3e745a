/*
 * Tries everything that a program of a command must not be able to do, and some things that it must. For each it writes
 * a line: the name, and 0, the number of the error, or "signal N".
 *
 * The argument is a directory with what the test has put there; see test_hostile_program.py.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHILD_STACK (64 * 1024)
/* Calls that older headers do not name: their numbers are those of every architecture. */
#define NR_open_tree 428
#define NR_move_mount 429
#define NR_fsopen 430
#define NR_fsmount 432
#define NR_clone3 435
#define NR_openat2 437
#define NR_pidfd_getfd 438
#define NR_mount_setattr 442
#define NR_memfd_secret 447
#define NR_fchmodat2 452

static const char *directory;

static const char *path_of(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static int idle(void *unused)
{
    (void)unused;
    return 0;
}

static long with_clone(int flags)
{
    char *stack = malloc(CHILD_STACK);
    return clone(idle, stack + CHILD_STACK, flags | SIGCHLD, NULL);
}

/* Namespaces */
static long clone_user(void) { return with_clone(CLONE_NEWUSER); }
static long clone_mount(void) { return with_clone(CLONE_NEWNS); }
static long clone_all(void) { return with_clone(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET); }
static long unshare_user(void) { return unshare(CLONE_NEWUSER); }
static long unshare_time(void) { return unshare(0x80); }
static long unshare_net(void) { return unshare(CLONE_NEWNET); }
static long clone3_user(void)
{
    uint64_t arguments[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    long child = syscall(NR_clone3, arguments, sizeof arguments);
    if (child == 0)
        _exit(0);
    return child;
}
static long enter_namespace(void) { return setns(open("/proc/self/ns/user", O_RDONLY), 0); }

/* Mounts */
static long mount_tmpfs(void) { return mount("tmpfs", "/mnt", "tmpfs", 0, NULL); }
static long unmount(void) { return umount2("/proc", MNT_DETACH); }
static long pivot(void) { return syscall(SYS_pivot_root, ".", "."); }
static long change_root(void) { return chroot("."); }
static long open_mount(void) { return syscall(NR_fsopen, "tmpfs", 0); }
static long make_mount(void) { return syscall(NR_fsmount, 0, 0, 0); }
static long copy_mount(void) { return syscall(NR_open_tree, AT_FDCWD, "/", 1); }
static long move_a_mount(void) { return syscall(NR_move_mount, AT_FDCWD, "/", AT_FDCWD, "/mnt", 0); }
static long change_mount(void)
{
    uint64_t attributes[4] = {0};
    return syscall(NR_mount_setattr, AT_FDCWD, "/", 0, attributes, sizeof attributes);
}

/* The kernel's interfaces */
static long ring(void)
{
    char parameters[120] = {0};
    return syscall(SYS_io_uring_setup, 1, parameters);
}
static long bpf_map(void)
{
    union bpf_attr attributes = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    return syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes);
}
static long perf(void)
{
    struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attributes};
    return syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
}
static long fault_descriptor(void) { return syscall(SYS_userfaultfd, 1); }
static long load_kernel(void) { return syscall(SYS_kexec_load, 0, 0, NULL, 0); }
static long load_module(void) { return syscall(SYS_init_module, "", 0, ""); }
static long load_module_file(void) { return syscall(SYS_finit_module, 0, "", 0); }
static long unload_module(void) { return syscall(SYS_delete_module, "none", 0); }
static long kernel_log(void) { return syscall(SYS_syslog, 10, NULL, 0); }
static long watch_files(void) { return syscall(SYS_fanotify_init, 0x200, 0); }

/* Keys */
static long session_keyring(void) { return syscall(SYS_keyctl, 0, -3, 0); }
static long new_key(void) { return syscall(SYS_add_key, "user", "hostile", "x", 1, -3); }
static long ask_for_key(void) { return syscall(SYS_request_key, "user", "warren-attack", NULL, 0); }

/* Other processes */
static long trace(void) { return ptrace(PTRACE_TRACEME, 0, NULL, NULL); }
static long read_memory(void)
{
    char one = 1, other = 0;
    struct iovec from = {&one, 1}, to = {&other, 1};
    return process_vm_readv(getpid(), &to, 1, &from, 1, 0);
}
static long write_memory(void)
{
    char one = 1, other = 0;
    struct iovec from = {&one, 1}, to = {&other, 1};
    return process_vm_writev(getpid(), &from, 1, &to, 1, 0);
}
static long take_descriptor(void) { return syscall(NR_pidfd_getfd, syscall(SYS_pidfd_open, getppid(), 0), 0, 0); }
static long compare(void) { return syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0); }

/* Files */
static long open_by_handle(void)
{
    struct {
        struct file_handle head;
        char octets[128];
    } handle = {.head.handle_bytes = 128};
    return open_by_handle_at(AT_FDCWD, &handle.head, O_RDONLY);
}
static long handle_of(void)
{
    struct {
        struct file_handle head;
        char octets[128];
    } handle = {.head.handle_bytes = 128};
    int mount_id;
    return name_to_handle_at(AT_FDCWD, ".", &handle.head, &mount_id, 0);
}
static int new_file(void)
{
    char name[] = "file-XXXXXX";
    return mkstemp(name);
}
static const char *new_name(void)
{
    static char name[32];
    static int count;
    snprintf(name, sizeof name, "new-%d-%d", getpid(), count++);
    return name;
}
static const char *new_path(void)
{
    const char *name = new_name();
    close(open(name, O_CREAT | O_WRONLY, 0600));
    return name;
}
#ifdef SYS_chmod
static long setuid_chmod(void) { return syscall(SYS_chmod, new_path(), 04755); }
static long setgid_chmod(void) { return syscall(SYS_chmod, new_path(), 02755); }
static long setuid_open(void) { return syscall(SYS_open, new_name(), O_CREAT | O_WRONLY, 04755); }
static long setuid_creat(void) { return syscall(SYS_creat, new_name(), 04755); }
static long setuid_mknod(void) { return syscall(SYS_mknod, new_name(), S_IFREG | 04755, 0); }
#endif
static long setuid_fchmod(void) { return syscall(SYS_fchmod, new_file(), 04755); }
static long setgid_fchmod(void) { return syscall(SYS_fchmod, new_file(), 02755); }
static long setuid_fchmodat(void) { return syscall(SYS_fchmodat, AT_FDCWD, new_path(), 04755); }
static long setuid_fchmodat2(void) { return syscall(NR_fchmodat2, AT_FDCWD, new_path(), 04755, 0); }
static long setuid_openat(void) { return syscall(SYS_openat, AT_FDCWD, new_name(), O_CREAT | O_WRONLY, 04755); }
static long setgid_openat(void) { return syscall(SYS_openat, AT_FDCWD, new_name(), O_CREAT | O_WRONLY, 02755); }
static long setuid_unnamed(void) { return syscall(SYS_openat, AT_FDCWD, ".", O_TMPFILE | O_RDWR, 04755); }
static long setuid_openat2(void)
{
    uint64_t how[3] = {O_CREAT | O_WRONLY, 04755, 0};
    return syscall(NR_openat2, AT_FDCWD, new_name(), how, sizeof how);
}
static long setuid_mknodat(void) { return syscall(SYS_mknodat, AT_FDCWD, new_name(), S_IFREG | 04755, 0); }

/* What belongs to root */
static long change_mode(void) { return chmod(path_of("file"), 0777); }
static long change_owner(void) { return chown(path_of("file"), getuid(), getgid()); }
static long change_times(void) { return utimensat(AT_FDCWD, path_of("file"), (struct timespec[2]){{1, 0}, {1, 0}}, 0); }
static long read_key(void) { return open(path_of("key"), O_RDONLY); }
static long connect_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path_of("socket"), sizeof address.sun_path - 1);
    return connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address);
}

/* Sockets that are neither local nor of the Internet */
static long crypto_socket(void) { return socket(AF_ALG, SOCK_SEQPACKET, 0); }
static long hypervisor_socket(void) { return socket(AF_VSOCK, SOCK_STREAM, 0); }
static long packet_socket(void) { return socket(AF_PACKET, SOCK_RAW, 0); }
static long bluetooth_socket(void) { return socket(AF_BLUETOOTH, SOCK_RAW, 0); }
static long with_pair(int family, int type)
{
    int ends[2];
    return socketpair(family, type, 0, ends);
}
/* The kernel loads the family, whether it has pairs or not. */
static long cluster_pair(void) { return with_pair(AF_TIPC, SOCK_SEQPACKET); }
static long crypto_pair(void) { return with_pair(AF_ALG, SOCK_SEQPACKET); }
static long hypervisor_pair(void) { return with_pair(AF_VSOCK, SOCK_STREAM); }
static long local_pair(void) { return with_pair(AF_UNIX, SOCK_STREAM); }

/* Memory of no process, and objects that outlive all */
static long memory_file(void) { return syscall(SYS_memfd_create, "hostile", 0); }
static long secret_memory(void) { return syscall(NR_memfd_secret, 0); }
static long segment(void) { return shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600); }
static long semaphores(void) { return semget(IPC_PRIVATE, 1, IPC_CREAT | 0600); }
static long messages(void) { return msgget(IPC_PRIVATE, IPC_CREAT | 0600); }
static long queue(void) { return mq_open("/warren-hostile", O_CREAT | O_RDWR, 0600, NULL); }

/* Calls by the conventions of other architectures */
#ifdef __x86_64__
static long as_i386(void)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
    return result;
}
static long as_x32(void) { return syscall(0x40000000 | SYS_getpid); }
#endif

/* What works */
static void *thread(void *unused) { return unused; }
static long start_thread(void)
{
    pthread_t started;
    errno = pthread_create(&started, NULL, thread, NULL);
    return errno ? -1 : pthread_join(started, NULL);
}
static long start_process(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return waitpid(child, NULL, 0);
}
static long internet_socket(void) { return socket(AF_INET, SOCK_STREAM, 0); }
static long internet6_socket(void) { return socket(AF_INET6, SOCK_DGRAM, 0); }
static long local_socket(void) { return socket(AF_UNIX, SOCK_STREAM, 0); }
static long netlink_socket(void) { return socket(AF_NETLINK, SOCK_RAW, 0); }
static long plain_chmod(void) { return chmod(new_path(), 01755); }
static long plain_open(void) { return open(new_name(), O_CREAT | O_WRONLY, 0644); }
/* The mode does not count without O_CREAT: it is whatever the register holds. */
static long open_without_mode(void) { return syscall(SYS_openat, AT_FDCWD, ".", O_RDONLY, 06777); }
struct attempt {
    const char *name;
    long (*perform)(void);
};
#define ATTEMPT(function) {#function, function}

static const struct attempt attempts[] = {
    ATTEMPT(clone_user), ATTEMPT(clone_mount), ATTEMPT(clone_all), ATTEMPT(unshare_user), ATTEMPT(unshare_time),
    ATTEMPT(unshare_net), ATTEMPT(clone3_user), ATTEMPT(enter_namespace),
    ATTEMPT(mount_tmpfs), ATTEMPT(unmount), ATTEMPT(pivot), ATTEMPT(change_root), ATTEMPT(open_mount),
    ATTEMPT(make_mount), ATTEMPT(copy_mount), ATTEMPT(move_a_mount), ATTEMPT(change_mount),
    ATTEMPT(ring), ATTEMPT(bpf_map), ATTEMPT(perf), ATTEMPT(fault_descriptor), ATTEMPT(load_kernel),
    ATTEMPT(load_module), ATTEMPT(load_module_file), ATTEMPT(unload_module), ATTEMPT(kernel_log),
    ATTEMPT(watch_files),
    ATTEMPT(session_keyring), ATTEMPT(new_key), ATTEMPT(ask_for_key),
    ATTEMPT(trace), ATTEMPT(read_memory), ATTEMPT(write_memory), ATTEMPT(take_descriptor), ATTEMPT(compare),
    ATTEMPT(open_by_handle), ATTEMPT(handle_of),
#ifdef SYS_chmod
    ATTEMPT(setuid_chmod), ATTEMPT(setgid_chmod), ATTEMPT(setuid_open), ATTEMPT(setuid_creat), ATTEMPT(setuid_mknod),
#endif
    ATTEMPT(setuid_fchmod), ATTEMPT(setgid_fchmod), ATTEMPT(setuid_fchmodat), ATTEMPT(setuid_fchmodat2),
    ATTEMPT(setuid_openat), ATTEMPT(setgid_openat), ATTEMPT(setuid_unnamed), ATTEMPT(setuid_openat2),
    ATTEMPT(setuid_mknodat),
    ATTEMPT(change_mode), ATTEMPT(change_owner), ATTEMPT(change_times), ATTEMPT(read_key), ATTEMPT(connect_socket),
    ATTEMPT(crypto_socket), ATTEMPT(hypervisor_socket), ATTEMPT(packet_socket), ATTEMPT(bluetooth_socket),
    ATTEMPT(cluster_pair), ATTEMPT(crypto_pair), ATTEMPT(hypervisor_pair),
    ATTEMPT(memory_file), ATTEMPT(secret_memory), ATTEMPT(segment), ATTEMPT(semaphores), ATTEMPT(messages),
    ATTEMPT(queue),
#ifdef __x86_64__
    ATTEMPT(as_i386), ATTEMPT(as_x32),
#endif
    ATTEMPT(start_thread), ATTEMPT(start_process), ATTEMPT(internet_socket), ATTEMPT(internet6_socket),
    ATTEMPT(local_socket), ATTEMPT(local_pair), ATTEMPT(netlink_socket), ATTEMPT(plain_chmod), ATTEMPT(plain_open),
    ATTEMPT(open_without_mode),
};

int main(int count, char **arguments)
{
    if (geteuid() == 0) {
        fputs("it is for the sandbox: as root it would unmount /proc\n", stderr);
        return 2;
    }
    directory = count > 1 ? arguments[1] : ".";
    for (size_t number = 0; number < sizeof attempts / sizeof *attempts; number++) {
        const struct attempt *attempt = &attempts[number];
        int status;
        printf("%s ", attempt->name);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            errno = 0;
            _exit(attempt->perform() < 0 ? errno : 0);
        }
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status))
            printf("signal %d\n", WTERMSIG(status));
        else
            printf("%d\n", WEXITSTATUS(status));
    }
    return 0;
}
