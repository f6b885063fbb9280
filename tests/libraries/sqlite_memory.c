/* sqlite_memory.c: SQLite in memory: an index, a join, a recursive query, JSON, full text.
 *
 * package: libsqlite3-dev
 * libs: sqlite3
 * pkgconfig: sqlite3
 */
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

int
hearth_handle(hearth_call *call)
{
    const char *body = hearth_body(call, NULL);
    sqlite3_stmt *insert = NULL;
    sqlite3 *db;
    int bad;

    if (sqlite3_open(":memory:", &db) != SQLITE_OK)
        return 1;
    bad = run(call, db,
              "create table n(i integer primary key, square integer);"
              "with recursive c(i) as (select 1 union all select i+1 from c where i < 5000)"
              "insert into n select i, i*i from c;"
              "create index by_square on n(square);"
              "select count(*), sum(square), avg(i) from n;"
              "select a.i, b.i from n a join n b on b.square = a.square + 49 limit 3;");
    bad |= run(call, db, "create virtual table words using fts5(line);");
    sqlite3_prepare_v2(db, "insert into words values(?)", -1, &insert, NULL);
    sqlite3_bind_text(insert, 1, body, -1, SQLITE_TRANSIENT);
    bad |= hearth_printf(call, "insert: %d\n", sqlite3_step(insert) == SQLITE_DONE);
    sqlite3_finalize(insert);
    bad |= run(call, db,
               "select highlight(words, 0, '<', '>') from words where words match 'quick OR quer';"
               "select json_extract('{\"a\":[1,{\"b\":\"c\"}]}', '$.a[1].b');"
               "select date(0, 'unixepoch'), printf('%.3f', 2.0/3);"
               "select length(randomblob(16)), randomblob(16) <> randomblob(16);"
               "select * from missing;");
    sqlite3_close(db);
    return bad;
}
