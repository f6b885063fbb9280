/* network_stall.c: tries to make the broker wait: a second thread makes a socket wait again while
 * the broker connects it, to a place that may not answer; SO_LINGER; answers that are not taken;
 * empty messages with descriptors. */
#include "attack.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/ioctl.h>

#define BROKER 128

static volatile int ends, fd = -1;

static void *
make_wait(void *user)
{
    int no = 0;

    (void)user;
    while (!ends)
        (void)ioctl(fd, FIONBIO, &no);
    return NULL;
}

static void
send_descriptors(const void *bytes, size_t n)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))] = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n};
    struct msghdr hdr = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&hdr);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(16 * sizeof(int));
    (void)sendmsg(BROKER, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT); /* sixteen times standard input */
}

const char *
attack(hearth_call *call)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 100};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(0xc0000201), /* 192.0.2.1 */
                             .sin_port = htons(9)};
    /* a broker_socket: version 1, type 1, 32 bytes; AF_INET, SOCK_STREAM */
    static const uint32_t question[8] = {1 | 1 << 16, 32, 0, 0, AF_INET, SOCK_STREAM};
    pthread_t thread;

    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || pthread_create(&thread, NULL, make_wait, NULL) != 0)
        return "nothing: it has no socket or no thread";
    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0)
        return "SO_LINGER";
    for (int i = 0; i < 300 && hearth_deadline_ms(call) > 3000; i++) {
        int next = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

        if (next < 0)
            continue;
        (void)dup2(next, fd);
        (void)close(next);
        (void)fcntl(fd, F_SETFL, O_NONBLOCK);
        (void)connect(fd, (const struct sockaddr *)&to, sizeof to);
    }
    ends = 1;
    (void)pthread_join(thread, NULL);
    for (int i = 0; i < 2000; i++) {
        send_descriptors("", 0);
        (void)send(BROKER, question, sizeof question, MSG_DONTWAIT);
    }
    return NULL;
}
