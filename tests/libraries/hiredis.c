/* hiredis.c: the client library of Redis: its protocol works, a connection fails with its
 * error.
 *
 * package: libhiredis-dev
 * libs: hiredis
 * pkgconfig: hiredis
 * expect: connection: failed
 */
#include <hearth.h>
#include <hiredis/hiredis.h>
#include <string.h>
#include <sys/time.h>

int
hearth_handle(hearth_call *call)
{
    static const char reply[] = "*3\r\n:42\r\n$5\r\nhello\r\n-ERR no\r\n";
    redisReader *reader = redisReaderCreate();
    redisContext *c;
    redisReply *r = NULL;
    char *command = NULL;
    int bad, n;

    n = redisFormatCommand(&command, "SET key %s", (const char *)hearth_body(call, NULL));
    bad = hearth_write(call, command, (size_t)n);
    redisFreeCommand(command);
    redisReaderFeed(reader, reply, sizeof reply - 1);
    if (redisReaderGetReply(reader, (void **)&r) == REDIS_OK && r != NULL && r->elements == 3)
        bad |= hearth_printf(call, "%lld %s %s\n", r->element[0]->integer, r->element[1]->str,
                             r->element[2]->str);
    freeReplyObject(r);
    redisReaderFree(reader);
    c = redisConnectWithTimeout("127.0.0.1", 9, (struct timeval){.tv_sec = 1});
    bad |= hearth_printf(call, "connection: %s\n",
                         c != NULL && c->err != 0 && c->errstr[0] != '\0' ? "failed" : "made");
    if (c != NULL)
        redisFree(c);
    return bad;
}
