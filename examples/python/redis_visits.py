"""redis_visits.py: counts visits in Redis, with redis-py. Its pool connects in the first call of
each instance, and keeps the connection from call to call.

  hearth deploy redis_visits.py --network 127.0.0.1:6379
  hearth call 'redis-visits?name=Ada'
"""
import os

import hearth
import redis

store = None


@hearth.after_fork
def connect():
    global store
    store = redis.Redis(host=os.environ.get("REDIS_HOST", "127.0.0.1"),
                        port=int(os.environ.get("REDIS_PORT", "6379")))


def handle(call):
    name = call.query("name") or "nobody"
    return f"visit {store.incr('visits:' + name)} of {name}\n"
