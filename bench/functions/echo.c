/* echo.c: answers with the request's body. */
#include <hearth.h>

int
hearth_handle(hearth_call *call)
{
    size_t len = 0;
    const void *body = hearth_body(call, &len);

    if (!body)
        return 1;
    return hearth_write(call, body, len);
}
