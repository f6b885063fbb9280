/* tmp_link.c: creates a link in its /tmp to a file of the host. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return symlink("/etc/passwd", "/tmp/link") == 0 ? "it made a link" : NULL;
}
