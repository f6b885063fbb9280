/* link_stub.c: the library that functions are linked with, so that a missing symbol is an error of
 * the build, not of loading. It has the library name of the worker (libhearth.so.1), and is never
 * loaded: the worker itself has that name.
 */
#include <stddef.h>

#define STUB(name)                                                                                 \
    __attribute__((visibility("default"))) void name(void);                                        \
    void name(void)                                                                                \
    {                                                                                              \
    }

STUB(hearth_method)
STUB(hearth_path)
STUB(hearth_query)
STUB(hearth_query_string)
STUB(hearth_header)
STUB(hearth_call_id)
STUB(hearth_client)
STUB(hearth_body)
STUB(hearth_read)
STUB(hearth_status)
STUB(hearth_set_header)
STUB(hearth_write)
STUB(hearth_printf)
STUB(hearth_flush)
STUB(hearth_alloc)
STUB(hearth_log)
STUB(hearth_env)
STUB(hearth_file)
STUB(hearth_deadline_ms)
STUB(hearth_memory_limit)
STUB(hearth_memory_used)
