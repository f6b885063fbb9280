/* query_postgres.c: one query, over a connection that is kept, or with KEEP=no over one of its own.
 */
#include <hearth.h>
#include <libpq-fe.h>
#include <string.h>

int
hearth_handle(hearth_call *call)
{
    static PGconn *db;
    const char *keep = hearth_env("KEEP");
    PGresult *result;
    int failed;

    if (db == NULL)
        db = PQconnectdb(hearth_env("DATABASE"));
    result = PQexec(db, "SELECT 42");
    failed = PQresultStatus(result) != PGRES_TUPLES_OK ||
             hearth_printf(call, "%s\n", PQgetvalue(result, 0, 0)) != 0;
    PQclear(result);
    if (failed || strcmp(keep, "no") == 0) {
        PQfinish(db);
        db = NULL;
    }
    return failed;
}
