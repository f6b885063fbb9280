/* shell.h: commands of bash as tests, in a folder of their own. */
#ifndef TESTS_E2E_SHELL_H
#define TESTS_E2E_SHELL_H

#include <stddef.h>

struct daemon;

/* Makes the folder, and sets for the commands: D, the folder; U and HEARTH_URL, the daemon's; T, a
 * file with its token; PATH, with the hearth command. */
void shell_open(const struct daemon *d);
void shell_close(void);
extern char shell_folder[32];
/* Setup and teardown of cmocka groups: those of harness.h with a folder. */
int shell_group_start(void **state);
int shell_group_stop(void **state);
/* A path in it; valid until the next call. */
const char *shell_path(const char *name);
void shell_write(const char *name, const void *bytes, size_t n);
/* Runs it in the folder; `h` is hearth with the token. Its standard output goes to the file stdout.
 * Fails the test unless it succeeds. */
void shell(const char *command);
void shell_all(const char *const *commands, size_t n);

/* Runs scripts/NAME.sh, each line of which must succeed. Besides the above it has: A, the header
 * field with the token; SCRIPTS; await CONDITION, which waits for it with a deadline. What it
 * prints is shown only if it fails. */
void shell_script(const char *name);

#define SHELL_ALL(commands) shell_all((commands), sizeof(commands) / sizeof((commands)[0]))

#endif
