/* python_paths.h: where the jails have Python, the version whose library the worker was built with
 * (worker/python/). The paths are Debian's. */
#ifndef COMMON_PYTHON_PATHS_H
#define COMMON_PYTHON_PATHS_H

#define PYTHON_VERSION        "3.11"
#define PYTHON_PROGRAM        "/usr/bin/python3.11" /* of the builder's jail alone */
#define PYTHON_LIB            "/usr/lib/python3.11"
#define PYTHON_PACKAGES       "/usr/lib/python3"          /* of Debian, below dist-packages */
#define PYTHON_LOCAL_PACKAGES "/usr/local/lib/python3.11" /* of pip, likewise */
#define PYTHON_HEARTH         "/usr/lib/hearth-python"    /* Hearth's own */

/* The first line of the object of a version in Python; for all of it, see
 * worker/python/compile.py. */
#define PYTHON_OBJECT_FIRST "#!hearth-python 1\n"

#endif
