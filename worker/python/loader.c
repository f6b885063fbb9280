/* loader.c: a function in Python: makes the interpreter, loads the function's modules, and runs the
 * handler. The interpreter's lock is given up between calls, for threads of the function.
 */
#include "python.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "python_paths.h"

const struct wrk_host *py_host;

static const char *object; /* without its first line */
static size_t object_len;

static PyThreadState *state; /* while no Python code runs */
static PyObject *worker;     /* the module _hearth_worker */
static PyObject *serve, *respond, *report;
static PyObject *generators; /* of random numbers, that forks seed anew */
static bool is_seeded;
static char why_text[192];
static char *costs_text;

/* ---- the module _hearth ---- */

static PyObject *
output(PyObject *self, PyObject *args)
{
    Py_buffer data;
    int fd;

    (void)self;
    if (!PyArg_ParseTuple(args, "iy*:output", &fd, &data))
        return NULL;
    (void)fwrite(data.buf, 1, (size_t)data.len, fd == STDERR_FILENO ? stderr : stdout);
    PyBuffer_Release(&data);
    return PyLong_FromSsize_t(data.len);
}

static PyObject *
memory_used(PyObject *self, PyObject *none)
{
    (void)self;
    (void)none;
    return PyLong_FromSize_t(hearth_memory_used());
}

static PyMethodDef functions[] = {
    {"output", output, METH_VARARGS, "output(fd, data): what the function prints"},
    {"memory_used", memory_used, METH_NOARGS, "bytes that this instance uses"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_hearth",
    .m_size = -1,
    .m_methods = functions,
};

static PyObject *
make_module(void)
{
    PyObject *module = PyModule_Create(&definition);
    PyObject *bytes =
        PyMemoryView_FromMemory((char *)(uintptr_t)object, (Py_ssize_t)object_len, PyBUF_READ);

    if (module == NULL || bytes == NULL || PyModule_AddObject(module, "object", bytes) < 0 ||
        PyModule_AddStringConstant(module, "function_name", py_host->function_name()) < 0 ||
        PyModule_AddStringConstant(module, "function_version", py_host->function_version()) < 0 ||
        !py_call_ready(module))
        return NULL;
    return module;
}

/* ---- errors ---- */

/* The exception that is set, which it takes. */
static PyObject *
take_exception(void)
{
    PyObject *type, *value, *tb;

    PyErr_Fetch(&type, &value, &tb);
    PyErr_NormalizeException(&type, &value, &tb);
    if (tb != NULL && value != NULL)
        (void)PyException_SetTraceback(value, tb);
    Py_XDECREF(type);
    Py_XDECREF(tb);
    return value;
}

static void
call_ignoring(PyObject *function, PyObject *argument)
{
    PyObject *result = PyObject_CallOneArg(function, argument);

    Py_XDECREF(result);
    if (result == NULL)
        PyErr_Clear();
}

/* Without the module. */
static const char *
type_name(PyObject *exception)
{
    const char *name = Py_TYPE(exception)->tp_name, *dot = strrchr(name, '.');

    return dot != NULL ? dot + 1 : name;
}

static void
keep_why(PyObject *exception)
{
    PyObject *text = worker != NULL ? PyObject_CallMethod(worker, "explain", "O", exception) : NULL;
    const char *said = text != NULL ? PyUnicode_AsUTF8(text) : NULL;

    (void)snprintf(why_text, sizeof why_text, "%s", said != NULL ? said : type_name(exception));
    PyErr_Clear();
    Py_XDECREF(text);
}

/* The function could not be made ready. */
static int
fail_early(void)
{
    PyObject *exception = take_exception();

    py_memory_relax(true);
    if (exception == NULL)
        return -1;
    if (report != NULL)
        call_ignoring(report, exception);
    keep_why(exception);
    Py_DECREF(exception);
    return -1;
}

static const char *
why(void)
{
    return why_text[0] != '\0' ? why_text : "Python could not be started";
}

static const char *
costs(void)
{
    return costs_text;
}

/* ---- init ---- */

static int
refuse(const PyStatus *status)
{
    (void)snprintf(why_text, sizeof why_text, "Python could not be started: %s",
                   status->err_msg != NULL ? status->err_msg : "it exited");
    return -1;
}

static int
make_interpreter(void)
{
    static wchar_t program[] = L"" PYTHON_PROGRAM;
    PyPreConfig before;
    PyConfig config;
    PyStatus status;

    /* as /etc/passwd has it: who asks there tries a name service first, which is refused */
    (void)setenv("HOME", "/tmp", 0);
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1;
    status = Py_PreInitialize(&before);
    if (PyStatus_Exception(status))
        return refuse(&status);
    py_memory_prepare();
    if (PyImport_AppendInittab("_hearth", make_module) < 0)
        return -1;
    PyConfig_InitIsolatedConfig(&config);
    config.install_signal_handlers = 0;
    config.write_bytecode = 0;
    config.pathconfig_warnings = 0;
    config.parse_argv = 0;
    status = PyConfig_SetString(&config, &config.program_name, program);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    return PyStatus_Exception(status) ? refuse(&status) : 0;
}

static bool
add_own_folder(void)
{
    PyObject *path = PySys_GetObject("path"); /* borrowed */
    PyObject *folder = PyUnicode_FromString(PYTHON_HEARTH);
    bool added = path != NULL && folder != NULL && PyList_Append(path, folder) == 0;

    Py_XDECREF(folder);
    return added;
}

static bool
load_worker(void)
{
    if (!add_own_folder())
        return false;
    worker = PyImport_ImportModule("_hearth_worker");
    if (worker == NULL)
        return false;
    report = PyObject_GetAttrString(worker, "report");
    respond = PyObject_GetAttrString(worker, "respond");
    return report != NULL && respond != NULL;
}

/* Owned for good: it is of the process. */
static char *
text_of(const char *function)
{
    PyObject *text = PyObject_CallMethod(worker, function, NULL);
    const char *said = text != NULL ? PyUnicode_AsUTF8(text) : NULL;
    char *copy = said != NULL ? strdup(said) : NULL;

    PyErr_Clear();
    Py_XDECREF(text);
    return copy;
}

static int
py_init(void)
{
    if (make_interpreter() < 0)
        return -1;
    if (!load_worker())
        return fail_early();
    serve = PyObject_CallMethod(worker, "load", NULL);
    if (serve == NULL)
        return fail_early();
    costs_text = text_of("costs");
    generators = PyObject_CallMethod(worker, "find_generators", NULL);
    if (generators == NULL || !py_memory_freeze())
        return fail_early();
    state = PyEval_SaveThread();
    return 0;
}

/* ---- between two calls ---- */

static void
with_lock(void (*work)(void))
{
    PyEval_RestoreThread(state);
    work();
    state = PyEval_SaveThread();
}

/* ---- an instance that serves ---- */

static int
py_begin(void)
{
    PyObject *done;

    PyEval_RestoreThread(state);
    done = PyObject_CallMethod(worker, "begin", NULL);
    if (done == NULL)
        return fail_early();
    Py_DECREF(done);
    state = PyEval_SaveThread();
    return 0;
}

/* In the template, around a fork: hooks of os.register_at_fork. */
static void
py_before_fork(void)
{
    with_lock(PyOS_BeforeFork);
}

static void
py_after_fork(void)
{
    with_lock(PyOS_AfterFork_Parent);
}

static void
py_settle(void)
{
    PyObject *done;

    PyEval_RestoreThread(state);
    PyOS_AfterFork_Child();
    done = PyObject_CallMethod(worker, "seed", "O", generators);
    is_seeded = done != NULL;
    Py_XDECREF(done);
    if (!is_seeded)
        (void)fail_early();
    state = PyEval_SaveThread();
}

static int
py_fork(void)
{
    return is_seeded ? py_begin() : -1;
}

static void
fail_call(hearth_call *call)
{
    PyObject *exception = take_exception();
    bool no_memory;

    if (exception == NULL)
        return;
    no_memory =
        py_memory_was_refused() && PyErr_GivenExceptionMatches(exception, PyExc_MemoryError);
    py_memory_relax(true);
    py_host->fail(call, type_name(exception), no_memory);
    call_ignoring(report, exception);
    Py_DECREF(exception);
    py_memory_relax(false);
}

static int
py_handle(hearth_call *call)
{
    PyObject *object_of_call, *result = NULL;
    bool well = false;

    PyEval_RestoreThread(state);
    (void)py_memory_was_refused(); /* by a call before, which has caught it */
    object_of_call = py_call_new(call);
    if (object_of_call != NULL)
        result = PyObject_CallOneArg(serve, object_of_call);
    if (result != NULL)
        well = py_call_respond(object_of_call, result, respond);
    if (!well)
        fail_call(call);
    Py_XDECREF(result);
    if (object_of_call != NULL)
        py_call_end(object_of_call);
    Py_XDECREF(object_of_call);
    state = PyEval_SaveThread();
    return well ? 0 : 1;
}

static size_t
py_heap(void)
{
    size_t bytes;

    PyEval_RestoreThread(state);
    bytes = py_memory_of_blocks();
    state = PyEval_SaveThread();
    return bytes;
}

static void
py_after(void)
{
    with_lock(py_memory_after_call);
}

static void
py_give_back(void)
{
    with_lock(py_memory_give_back);
}

static void
py_idle(void)
{
    with_lock(py_memory_idle);
}

static void
py_fini(void)
{
    PyObject *module, *done = NULL;

    PyEval_RestoreThread(state);
    module = PyImport_ImportModule("atexit");
    if (module != NULL)
        done = PyObject_CallMethod(module, "_run_exitfuncs", NULL);
    if (done == NULL)
        PyErr_Clear();
    Py_XDECREF(done);
    Py_XDECREF(module);
    state = PyEval_SaveThread();
}

static char *profile_text;

static void
py_profile_begin(void)
{
    PyObject *done;

    PyEval_RestoreThread(state);
    done = PyObject_CallMethod(worker, "profile_begin", NULL);
    if (done == NULL)
        PyErr_Clear(); /* for want of memory: then the profile is empty */
    Py_XDECREF(done);
    state = PyEval_SaveThread();
}

static const char *
py_profile_end(void)
{
    PyEval_RestoreThread(state);
    py_memory_relax(true);
    free(profile_text);
    profile_text = text_of("profile_end");
    py_memory_relax(false);
    state = PyEval_SaveThread();
    return profile_text != NULL ? profile_text : "";
}

__attribute__((visibility("default"))) int
hearth_language_load(const struct wrk_host *host, const void *bytes, size_t len,
                     struct wrk_function *function, struct hearth_err *err)
{
    (void)err;
    py_host = host;
    object = (const char *)bytes + sizeof PYTHON_OBJECT_FIRST - 1;
    object_len = len - (sizeof PYTHON_OBJECT_FIRST - 1);
    *function = (struct wrk_function){
        .handle = py_handle,
        .init = py_init,
        .fini = py_fini,
        .memory_low = py_give_back,
        .before_fork = py_before_fork,
        .after_fork = py_after_fork,
        .settle = py_settle,
        .fork = py_fork,
        .begin = py_begin,
        .after = py_after,
        .idle = py_idle,
        .profile_begin = py_profile_begin,
        .profile_end = py_profile_end,
        .heap = py_heap,
        .why = why,
        .costs = costs,
        .small_pages = true,
    };
    return 0;
}
