/* postgres.c: counts visits in PostgreSQL. The connection, and a prepared statement on it, are kept
 * from call to call; if the server was restarted, the call connects anew.
 *
 *   hearth deploy postgres.c --libs pq --network unix:/var/run/postgresql/.s.PGSQL.5432 \
 *     --env '{"DATABASE":"host=/var/run/postgresql user=hearth dbname=hearth"}'
 *   hearth call 'postgres?name=Ada'
 */
#include <hearth.h>
#include <libpq-fe.h>

static PGconn *db;

static int
succeeded(PGresult *result, ExecStatusType wanted)
{
    int ok = PQresultStatus(result) == wanted;

    PQclear(result);
    return ok;
}

static int
prepare(void)
{
    return PQstatus(db) == CONNECTION_OK &&
           succeeded(PQexec(db, "CREATE TABLE IF NOT EXISTS visits "
                                "(name text PRIMARY KEY, count integer NOT NULL)"),
                     PGRES_COMMAND_OK) &&
           succeeded(PQprepare(db, "visit",
                               "INSERT INTO visits VALUES ($1, 1) ON CONFLICT (name) "
                               "DO UPDATE SET count = visits.count + 1 RETURNING count",
                               1, NULL),
                     PGRES_COMMAND_OK);
}

/* A connection that works, as far as it is known. */
static int
connect_database(void)
{
    if (db != NULL && PQstatus(db) == CONNECTION_OK)
        return 1;
    if (db != NULL)
        PQfinish(db);
    db = PQconnectdb(hearth_env("DATABASE"));
    return prepare();
}

static PGresult *
visit(const char *name)
{
    return PQexecPrepared(db, "visit", 1, &name, NULL, NULL, 0);
}

int
hearth_handle(hearth_call *call)
{
    const char *name = hearth_query(call, "name");
    PGresult *result = NULL;
    int failed;

    if (name == NULL)
        name = "nobody";
    if (connect_database())
        result = visit(name);
    if (PQresultStatus(result) != PGRES_TUPLES_OK && PQstatus(db) != CONNECTION_OK &&
        connect_database()) { /* the server has closed it: once more */
        PQclear(result);
        result = visit(name);
    }
    if (PQresultStatus(result) == PGRES_TUPLES_OK) {
        failed = hearth_printf(call, "visit %s of %s\n", PQgetvalue(result, 0, 0), name);
    } else {
        (void)hearth_log(call, HEARTH_ERROR, "%s", PQerrorMessage(db));
        (void)hearth_status(call, 503);
        failed = hearth_printf(call, "the database does not answer\n");
    }
    PQclear(result);
    return failed;
}
