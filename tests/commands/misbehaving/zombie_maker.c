/* Leaves children that nobody waits for, until it may make no more, and says how many. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    int made = 0;
    for (pid_t child; made < 100000 && (child = fork()) >= 0; made++)
        if (child == 0)
            _exit(0);
    printf("%d\n", made);
    return 0;
}
