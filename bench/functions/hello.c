/* hello.c: the smallest answer there is, 12 bytes. */
#include <hearth.h>

int
hearth_handle(hearth_call *call)
{
    return hearth_write(call, "hello, world", 12);
}
