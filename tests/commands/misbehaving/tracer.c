/* Tries to look into another process, whose number is the argument, and to end it; says which of these it could. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <unistd.h>

int main(int count, char **arguments)
{
    char path[64];
    struct rlimit none = {0, 0};
    int pid = count > 1 ? atoi(arguments[1]) : 0;
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0)
        puts("ptrace");
    if (open(path, O_RDWR) >= 0)
        puts("memory");
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    int environment = open(path, O_RDONLY);
    if (environment >= 0 && read(environment, path, 1) > 0)
        puts("environment");
    if (prlimit(pid, RLIMIT_NOFILE, &none, NULL) == 0)
        puts("limits");
    if (kill(pid, SIGCONT) == 0)
        puts("signal");
    return 0;
}
