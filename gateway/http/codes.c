/* codes.c: name, status and title of every code. */
#include "codes.h"

static const struct {
    const char *name;
    int status;
    const char *title, *facts;
} codes[] = {
#define X(name, text, status, title, facts) {text, status, title, facts},
    GW_CODES(X)
#undef X
};

const char *
gw_code_name(enum gw_code code)
{
    return codes[code].name;
}

int
gw_code_status(enum gw_code code)
{
    return codes[code].status;
}

const char *
gw_code_title(enum gw_code code)
{
    return codes[code].title;
}

const char *
gw_code_facts(enum gw_code code)
{
    return codes[code].facts;
}
