/* Takes memory until it gets no more, and says how many MiB it had. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    enum { MEBIBYTE = 1 << 20, MOST = 1 << 16 };
    int had = 0;
    for (char *taken; had < MOST && (taken = malloc(MEBIBYTE)); had++)
        memset(taken, 1, MEBIBYTE);
    printf("%d\n", had);
    return 0;
}
