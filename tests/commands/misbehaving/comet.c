/* A process that lives for an instant and leaves a child that does the same: no list of processes ever has it. */
#include <unistd.h>

int main(void)
{
    if (fork() > 0) {
        pause();
        return 0;
    }
    setsid();
    for (;;)
        if (fork() > 0)
            _exit(0);
}
