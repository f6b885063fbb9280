/* query_redis.c: one GET, over a connection that is kept, or with KEEP=no over one of its own. */
#include <hearth.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

int
hearth_handle(hearth_call *call)
{
    static redisContext *redis;
    const char *keep = hearth_env("KEEP");
    redisReply *reply;
    int failed;

    if (redis == NULL)
        redis = redisConnect("127.0.0.1", atoi(hearth_env("PORT")));
    reply = redis != NULL ? redisCommand(redis, "PING") : NULL;
    failed = reply == NULL || hearth_printf(call, "%s\n", reply->str) != 0;
    if (reply != NULL)
        freeReplyObject(reply);
    if (failed || strcmp(keep, "no") == 0) {
        if (redis != NULL)
            redisFree(redis);
        redis = NULL;
    }
    return failed;
}
