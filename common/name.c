/* name.c: checks of names. ASCII only, in every locale. */
#include "name.h"

#include "limits.h"

static bool
is_alnum_lower(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool
name_function_ok(const char *name, size_t len)
{
    if (len < 1 || len > LIMIT_NAME)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_alnum_lower(name[i]) && name[i] != '-')
            return false;
    return name[0] != '-' && name[len - 1] != '-';
}

bool
name_lib_ok(const char *name, size_t len)
{
    if (len < 1 || len > LIMIT_LIB_NAME || name[0] == '-' || name[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];

        if (!is_alnum_lower(c) && !(c >= 'A' && c <= 'Z') && c != '_' && c != '+' && c != '.' &&
            c != '-')
            return false;
    }
    return true;
}
