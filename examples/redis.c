/* redis.c: counts visits in Redis. The connection is kept from call to call.
 *
 *   hearth deploy redis.c --libs hiredis --network localhost:6379
 *   hearth call 'redis?name=Ada'
 */
#include <hearth.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

static redisContext *redis;

static int
connect_redis(void)
{
    const char *host = hearth_env("REDIS_HOST"), *port = hearth_env("REDIS_PORT");
    const struct timeval limit = {.tv_sec = 2};

    if (redis != NULL && redis->err == 0)
        return 1;
    if (redis != NULL)
        redisFree(redis);
    redis = redisConnectWithTimeout(host != NULL ? host : "localhost",
                                    port != NULL ? atoi(port) : 6379, limit);
    return redis != NULL && redis->err == 0;
}

static redisReply *
visit(const char *name)
{
    return connect_redis() ? redisCommand(redis, "INCR visits:%s", name) : NULL;
}

int
hearth_handle(hearth_call *call)
{
    const char *name = hearth_query(call, "name");
    redisReply *reply;
    int failed;

    if (name == NULL)
        name = "nobody";
    reply = visit(name);
    if (reply == NULL) /* the server has closed the connection: once more */
        reply = visit(name);
    if (reply != NULL && reply->type == REDIS_REPLY_INTEGER) {
        failed = hearth_printf(call, "visit %lld of %s\n", reply->integer, name);
    } else {
        (void)hearth_log(call, HEARTH_ERROR, "%s",
                         reply != NULL   ? reply->str
                         : redis != NULL ? redis->errstr
                                         : "no memory");
        (void)hearth_status(call, 503);
        failed = hearth_printf(call, "Redis does not answer\n");
    }
    if (reply != NULL)
        freeReplyObject(reply);
    return failed;
}
