/* hello.c: greets by name.  GET /function/hello?name=you */
#include <hearth.h>

int
hearth_handle(hearth_call *call)
{
    const char *name = hearth_query(call, "name");

    return hearth_printf(call, "hello, %s\n", name != NULL && name[0] != '\0' ? name : "world");
}
