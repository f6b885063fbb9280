/* python.h: deploys of functions in Python, for the tests of them. The functions are in
 * tests/python.
 */
#ifndef TESTS_E2E_PYTHON_H
#define TESTS_E2E_PYTHON_H

#include "bundle.h"
#include "harness.h"

/* Setup of a cmocka group: that of harness.h. Its daemon is d, of all that follows. */
extern const struct daemon *d;
int python_group_start(void **state);
/* PUT of a source, or of a file of tests/python, with settings such as "max=1". */
struct reply put_python(const char *name, const char *settings, const char *source);
struct reply put_file(const char *name, const char *settings, const char *file);
/* The same; fails the test unless it succeeds. */
void deploy_python(const char *name, const char *settings, const char *file);
/* Closes the bundle, and deploys it. */
struct reply put_bundle(const char *name, struct bundle *b);
/* The first diagnostic of a refused deploy. file NULL, line 0: any. */
void expect_diagnostic(const struct reply *r, const char *code, const char *file, int line,
                       const char *message);
/* GET must be answered with this problem. exception NULL: any. */
void expect_problem(const char *path, long status, const char *code, const char *exception);
/* Whether the function's log has the text; and waits until it has. */
bool log_has(const char *name, const char *text);
void wait_for_line(const char *name, const char *text);

#endif
