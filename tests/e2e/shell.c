/* shell.c: see shell.h. */
#include "shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

char shell_folder[32];

const char *
shell_path(const char *name)
{
    static char path[160];

    (void)snprintf(path, sizeof path, "%s/%s", shell_folder, name);
    return path;
}

void
shell_write(const char *name, const void *bytes, size_t n)
{
    FILE *file = fopen(shell_path(name), "we");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

void
shell_open(const struct daemon *d)
{
    char path[4096];

    (void)strcpy(shell_folder, "/tmp/hearth-shell-XXXXXX");
    assert_non_null(mkdtemp(shell_folder));
    assert_int_equal(chmod(shell_folder, 0755), 0);
    shell_write("token", d->token, strlen(d->token));
    (void)snprintf(path, sizeof path, "%s/bin:%s", getenv("HEARTH_PREFIX"), getenv("PATH"));
    (void)setenv("PATH", path, 1);
    (void)setenv("HEARTH_URL", d->url, 1);
    (void)setenv("U", d->url, 1);
    (void)setenv("D", shell_folder, 1);
    (void)setenv("T", shell_path("token"), 1);
    (void)unsetenv("HEARTH_TOKEN");
}

void
shell_close(void)
{
    char command[64];

    (void)snprintf(command, sizeof command, "rm -rf %s", shell_folder);
    (void)system(command);
}

int
shell_group_start(void **state)
{
    int status = group_start(state);

    shell_open(*state);
    return status;
}

int
shell_group_stop(void **state)
{
    shell_close();
    return group_stop(state);
}

void
shell(const char *command)
{
    char *all;
    int status;

    assert_true(asprintf(&all,
                         "cd $D && h() { hearth --token-file $T \"$@\"; } && export -f h && "
                         "{ %s\n} >$D/stdout",
                         command) > 0);
    (void)setenv("COMMAND", all, 1);
    (void)fflush(NULL);
    status = system("bash -c \"$COMMAND\"");
    if (status != 0)
        fail_msg("status %d of: %s (U=%s)", status, command, getenv("U"));
    free(all);
}

void
shell_all(const char *const *commands, size_t n)
{
    for (size_t i = 0; i < n; i++)
        shell(commands[i]);
}

void
shell_script(const char *name)
{
    static const char prelude[] =
        "set -eu; cd $D; SCRIPTS=$HEARTH_SOURCE/tests/e2e/scripts; export SCRIPTS\n"
        "A=\"Authorization: Bearer $(cat $T)\"\n"
        "h() { hearth --token-file $T \"$@\"; }; export -f h\n"
        "await() { local end=$((SECONDS + 20 * ${HEARTH_PATIENCE:-1}))\n"
        "  until eval \"$1\"; do [ $SECONDS -lt $end ] || { echo \"in vain: $1\"; return 1; }\n"
        "    sleep 0.02; done; }; export -f await\n"
        "set -x; . $SCRIPTS/$NAME.sh\n";
    size_t len;
    char *output;
    int status;

    (void)setenv("NAME", name, 1);
    (void)setenv("COMMAND", prelude, 1);
    (void)fflush(NULL);
    status = system("bash -c \"$COMMAND\" >$D/output 2>&1");
    if (status == 0)
        return;
    output = read_whole(shell_path("output"), &len);
    for (char *rest = len > 6000 ? output + len - 6000 : output, *line;
         (line = strsep(&rest, "\n")) != NULL;)
        (void)printf("# %s\n", line);
    fail_msg("status %d of %s.sh: see above", status, name);
}
