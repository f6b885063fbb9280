/* glib.c: GLib's containers, strings, regular expressions, dates, variants, key files, main
 * loop with a timer, files with errors, and a thread, which is refused without `threads`.
 *
 * package: libglib2.0-dev
 * libs: glib-2.0
 * pkgconfig: glib-2.0
 * settings: tmp=4M
 * expect: thread: refused
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <hearth.h>
#include <string.h>

static gboolean
on_timeout(gpointer user)
{
    g_main_loop_quit(user);
    return G_SOURCE_REMOVE;
}

static gint
by_text(gconstpointer a, gconstpointer b)
{
    return g_utf8_collate(*(const char *const *)a, *(const char *const *)b);
}

static void
count_words(hearth_call *call, const char *body)
{
    g_auto(GStrv) words = g_strsplit_set(body, " .", -1);
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (char **w = words; *w != NULL; w++)
        if (**w != '\0' && g_hash_table_add(seen, *w))
            g_ptr_array_add(sorted, *w);
    g_ptr_array_sort(sorted, by_text);
    for (guint i = 0; i < sorted->len; i++) {
        g_autofree char *upper = g_utf8_strup(sorted->pdata[i], -1);

        hearth_printf(call, "%s ", upper);
    }
    hearth_printf(call, "\nwords: %u\n", g_hash_table_size(seen));
}

static void
use_files(hearth_call *call, const char *body)
{
    g_autofree char *path = NULL, *again = NULL;
    g_autoptr(GError) error = NULL, none = NULL;
    gsize n = 0;
    int fd = g_file_open_tmp("hearth-XXXXXX", &path, &error);

    if (fd < 0) {
        hearth_printf(call, "temporary: %s\n", error->message);
        return;
    }
    g_close(fd, NULL);
    hearth_printf(call, "written: %d\n", g_file_set_contents(path, body, -1, NULL));
    g_file_get_contents(path, &again, &n, NULL);
    hearth_printf(call, "same: %d\n", g_strcmp0(again, body) == 0);
    g_unlink(path);
    g_free(again);
    again = NULL;
    (void)g_file_get_contents("/missing/file", &again, &n, &none);
    hearth_printf(call, "missing: %s\n", none != NULL ? none->message : "-");
}

static gpointer
work(gpointer user)
{
    return user;
}

int
hearth_handle(hearth_call *call)
{
    const char *body = hearth_body(call, NULL);
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(1700000000);
    g_autoptr(GTimeZone) zone = g_time_zone_new_identifier("Europe/Paris");
    g_autoptr(GDateTime) there = g_date_time_to_timezone(date, zone);
    g_autofree char *text = g_date_time_format(there, "%F %T %Z");
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, body, -1);
    g_autofree char *utf16 = NULL;
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(GError) error = NULL;
    gsize written = 0;
    GThread *thread;

    count_words(call, body);
    hearth_printf(call, "%s\n%s\n", text, sum);
    utf16 = g_convert(body, -1, "UTF-16LE", "UTF-8", NULL, &written, NULL);
    hearth_printf(call, "utf16: %zu\n", utf16 != NULL ? (size_t)written : 0);
    use_files(call, body);
    g_timeout_add(20, on_timeout, loop);
    g_main_loop_run(loop);
    hearth_printf(call, "loop: ended\n");
    thread = g_thread_try_new("w", work, NULL, &error);
    if (thread != NULL)
        g_thread_join(thread);
    return hearth_printf(call, "thread: %s\n", thread != NULL ? "ran" : "refused");
}
