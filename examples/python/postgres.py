"""postgres.py: counts visits in PostgreSQL, with psycopg2. Each instance opens its own connection
before its first call, and keeps it from call to call.

  hearth deploy postgres.py --network unix:/var/run/postgresql/.s.PGSQL.5432 \
    --env '{"DATABASE":"host=/var/run/postgresql user=hearth dbname=hearth"}'
  hearth call 'postgres?name=Ada'
"""
import os

import hearth
import psycopg2

connection = None


@hearth.after_fork
def connect():
    global connection
    connection = psycopg2.connect(os.environ["DATABASE"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS visits "
                       "(name text PRIMARY KEY, count integer NOT NULL)")


def count(name):
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO visits VALUES (%s, 1) ON CONFLICT (name) "
                       "DO UPDATE SET count = visits.count + 1 RETURNING count", (name,))
        return cursor.fetchone()[0]


def handle(call):
    name = call.query("name") or "nobody"
    try:
        visits = count(name)
    except psycopg2.OperationalError:  # the server was restarted: once more
        connect()
        visits = count(name)
    return f"visit {visits} of {name}\n"
