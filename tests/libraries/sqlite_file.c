/* sqlite_file.c: an SQLite database in a file on the instance's /tmp, with a write-ahead log,
 * which needs locks and shared memory, and temporary files. It stays from call to call.
 *
 * package: libsqlite3-dev
 * libs: sqlite3
 * pkgconfig: sqlite3
 * settings: tmp=16M max=1
 */
#include <hearth.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/hearth-sqlite-XXXXXX", path[64];
static sqlite3 *db;

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
run(hearth_call *call, sqlite3 *in, const char *sql)
{
    char *error = NULL;
    int bad = sqlite3_exec(in, sql, on_row, call, &error);

    if (bad != SQLITE_OK)
        bad = hearth_printf(call, "error: %s\n", error != NULL ? error : sqlite3_errmsg(in));
    sqlite3_free(error);
    return bad;
}

int
hearth_init(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    sqlite3_snprintf(sizeof path, path, "%s/t.db", folder);
    return sqlite3_open(path, &db) != SQLITE_OK;
}

void
hearth_fini(void)
{
    sqlite3_close(db);
    unlink(path);
    sqlite3_snprintf(sizeof path, path, "%s/other.db", folder);
    unlink(path);
    rmdir(folder);
}

int
hearth_handle(hearth_call *call)
{
    const char *body = hearth_body(call, NULL);
    sqlite3_stmt *insert = NULL;
    sqlite3 *second = NULL;
    char sql[128];
    int bad;

    bad = run(call, db,
              "pragma journal_mode=wal; pragma synchronous=full;"
              "create table if not exists bodies(id integer primary key, body text);");
    sqlite3_prepare_v2(db, "insert into bodies(body) values(?)", -1, &insert, NULL);
    sqlite3_bind_text(insert, 1, body, -1, SQLITE_TRANSIENT);
    bad |= hearth_printf(call, "insert: %d\n", sqlite3_step(insert) == SQLITE_DONE);
    sqlite3_finalize(insert);
    /* A second connection to the same file: its locks and its part of the shared memory. */
    bad |= sqlite3_open(path, &second) != SQLITE_OK;
    bad |= run(call, db, "begin immediate; insert into bodies(body) values('open');");
    bad |= run(call, second, "select count(*) from bodies; begin immediate;");
    bad |= run(call, db, "rollback;");
    bad |= run(call, second, "begin immediate; insert into bodies(body) values('second'); commit;");
    sqlite3_close(second);
    /* A sort that does not fit its cache takes a temporary file. */
    bad |= run(call, db,
               "pragma temp_store=file; pragma cache_size=20; pragma wal_checkpoint(truncate);"
               "with recursive c(i) as (select 1 union all select i+1 from c where i < 20000)"
               "select max(h) from (select hex(i*7919 % 20011) h from c order by h);");
    bad |= run(call, db, "select id, length(body) from bodies; vacuum; pragma integrity_check;");
    sqlite3_snprintf(sizeof sql, sql, "attach '%s/other.db' as other; detach other;", folder);
    bad |= run(call, db, sql);
    bad |= run(call, db, "attach '/missing/other.db' as other;");
    bad |= run(call, db, "select length(randomblob(16)), randomblob(16) <> randomblob(16);");
    return bad;
}
