/* main.c: SQLite's amalgamation, as the npm package better-sqlite3 carries it, with a choice
 * of its parts: a database in memory, and one on /tmp. */
#include <hearth.h>
#include <sqlite3.h>

static int
on_row(void *user, int columns, char **values, char **names)
{
    (void)names;
    for (int i = 0; i < columns; i++)
        if (hearth_printf(user, "%s%s", values[i] != NULL ? values[i] : "NULL",
                          i + 1 < columns ? " | " : "\n") != 0)
            return 1;
    return 0;
}

static int
run(hearth_call *call, sqlite3 *db, const char *sql)
{
    char *error = NULL;
    int bad = sqlite3_exec(db, sql, on_row, call, &error);

    if (bad != SQLITE_OK)
        bad = hearth_printf(call, "error: %s\n", error != NULL ? error : sqlite3_errmsg(db));
    sqlite3_free(error);
    return bad;
}

/* The version is that of the header: the library is not the system's. */
int
hearth_handle(hearth_call *call)
{
    sqlite3 *db;
    int bad;

    bad = hearth_printf(call, "own: %d\n", sqlite3_libversion_number() == SQLITE_VERSION_NUMBER);
    if (sqlite3_open(":memory:", &db) != SQLITE_OK)
        return 1;
    bad |= run(call, db,
               "create virtual table boxes using rtree(id, x0, x1, y0, y1);"
               "with recursive c(i) as (select 1 union all select i+1 from c where i < 2000)"
               "insert into boxes select i, i, i+10, i % 37, i % 37 + 2 from c;"
               "select count(*), min(id), max(id) from boxes where x0 < 100 and y1 > 20;"
               "select round(sin(1.5) + ln(10), 9), pi() > 3;"
               "create virtual table words using fts5(line);"
               "insert into words values('the quick brown fox'), ('a lazy dog');"
               "select line from words where words match 'laz*';"
               "select geopoly_area('[[0,0],[2,0],[2,2],[0,2],[0,0]]');"
               "select \"no column\";");
    sqlite3_close(db);
    if (sqlite3_open("/tmp/hearth-tree.db", &db) != SQLITE_OK)
        return 1;
    bad |= run(call, db,
               "pragma journal_mode=wal; drop table if exists t; create table t(a);"
               "insert into t values(1), (2);"
               "select sum(a) from t;");
    bad |= run(call, db, "insert into t values(3); select sum(a) from t; drop table t;");
    sqlite3_close(db);
    return bad;
}
