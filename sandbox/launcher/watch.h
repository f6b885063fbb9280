/* watch.h: which event of the loop is whose. */
#ifndef SANDBOX_LAUNCHER_WATCH_H
#define SANDBOX_LAUNCHER_WATCH_H

#include "launcher/launcher.h"

#include <errno.h>
#include <sys/epoll.h>

enum launcher_tag {
    LAUNCHER_TAG_SIGNALS = 1,
    LAUNCHER_TAG_GATEWAY,
    LAUNCHER_TAG_GATEWAY_END,
    LAUNCHER_TAG_EXPORTER,
    LAUNCHER_TAG_BROKER,
    LAUNCHER_TAG_CHILD /* + slot */
};

/* The loop gets the tag when fd is readable. 0 or a negative errno. */
static inline int
launcher_watch(const struct launcher *l, int fd, uint64_t tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};

    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

#endif
