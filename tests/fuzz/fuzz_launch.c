/* fuzz_launch.c: the decoder of the launcher's messages. What it lets through obeys the
 * rules that the launcher goes by, and is the same when it is sent and decoded again. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "launch.h"
#include "name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_start(const struct launch_start *start)
{
    assert(memchr(start->name, '\0', sizeof start->name) != NULL);
    assert(name_function_ok(start->name, strlen(start->name)));
    assert(strchr(start->name, '/') == NULL && strchr(start->name, '.') == NULL);
    assert(start->version > 0 && start->staged <= 1);
}

static void
check_build(const struct launch_build *build)
{
    assert(name_function_ok(build->name, strlen(build->name)));
    assert(build->version > 0 && build->libs <= LIMIT_LIBS);
    for (uint32_t i = 0; i < build->libs; i++) {
        assert(name_lib_ok(build->lib[i], strlen(build->lib[i])));
        assert(build->lib[i][0] != '-' && strchr(build->lib[i], '/') == NULL);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct launch_message msg, again;

    if (launch_decode(data, size, &msg) < 0)
        return 0;
    assert(msg.type > 0 && msg.type < LAUNCH_TYPES && msg.length == size);
    assert(launch_size(msg.type) == size);
    if (msg.type == LAUNCH_START)
        check_start(&msg.u.start);
    else if (msg.type == LAUNCH_BUILD)
        check_build(&msg.u.build);
    else if (msg.type == LAUNCH_DIED)
        assert(memchr(msg.u.died.text, '\0', sizeof msg.u.died.text) != NULL);
    else if (msg.type == LAUNCH_BUILT)
        assert(memchr(msg.u.built.text, '\0', sizeof msg.u.built.text) != NULL);
    assert(launch_decode(&msg, size, &again) == 0);
    assert(memcmp(&msg, &again, size) == 0);
    return 0;
}
