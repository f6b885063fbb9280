/* call.c: the object that a handler gets, and how a usual result becomes a response. */
#include "python.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

struct call_object {
    PyObject_HEAD hearth_call *call; /* NULL: it has ended */
    PyObject *headers;               /* dict, at the first use */
    PyObject *body;                  /* whose memory the views of it share, at the first use */
    Py_ssize_t read_at;              /* what read() has taken of body */
    int status;
    bool typed; /* the function has set Content-Type */
};

static struct call_object *
as_call(PyObject *self)
{
    return (struct call_object *)self;
}

/* NULL, and the exception is set, once it has ended. */
static hearth_call *
open_call(PyObject *self)
{
    if (as_call(self)->call == NULL)
        PyErr_SetString(PyExc_RuntimeError, "the call has ended");
    return as_call(self)->call;
}

static PyObject *
text_or_none(const char *text)
{
    if (text == NULL)
        Py_RETURN_NONE;
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}

/* Fields of HTTP are bytes: each becomes one letter, as PEP 3333 has it. */
static PyObject *
field_text(const char *text)
{
    return PyUnicode_DecodeLatin1(text, (Py_ssize_t)strlen(text), NULL);
}

/* ---- the body: a block that lives as long as somebody holds a view of it ---- */

struct body_object {
    PyObject_HEAD void *block;
    size_t len, room;
};

static void
body_dealloc(PyObject *self)
{
    struct body_object *body = (struct body_object *)self;

    py_host->give_body(body->block, body->room, body->len);
    PyObject_Free(self);
}

static int
body_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    struct body_object *body = (struct body_object *)self;

    return PyBuffer_FillInfo(view, self, body->block, (Py_ssize_t)body->len, 1, flags);
}

static PyBufferProcs body_buffer = {.bf_getbuffer = body_getbuffer};

static PyTypeObject body_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_hearth.Body",
    .tp_basicsize = sizeof(struct body_object),
    .tp_dealloc = body_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_as_buffer = &body_buffer,
};

/* Of the block, which it takes; or NULL. */
static PyObject *
own_block(void *block, size_t len, size_t room)
{
    struct body_object *body = PyObject_New(struct body_object, &body_type);

    if (body == NULL) {
        py_host->give_body(block, room, len);
        return NULL;
    }
    body->block = block;
    body->len = len;
    body->room = room;
    return (PyObject *)body;
}

static PyObject *
make_body(hearth_call *call)
{
    size_t len = 0, room = 0;
    void *bytes = py_host->take_body(call, &len, &room);

    if (bytes == NULL && errno == ENOMEM)
        return PyErr_NoMemory();
    if (bytes == NULL && errno == EALREADY)
        return PyErr_Format(PyExc_ValueError, "read() has taken a part of the body: body is the "
                                              "whole of it, or nothing");
    if (bytes == NULL)
        return PyErr_SetFromErrno(PyExc_OSError);
    /* in the channel, where the next call's will be: a view of it would outlive it */
    return room > 0 ? own_block(bytes, len, room)
                    : PyBytes_FromStringAndSize(bytes, (Py_ssize_t)len);
}

static PyObject *
get_body(PyObject *self, void *none)
{
    struct call_object *c = as_call(self);

    (void)none;
    if (c->body == NULL && open_call(self) != NULL)
        c->body = make_body(c->call);
    return c->body != NULL ? PyMemoryView_FromObject(c->body) : NULL;
}

static PyObject *
read_of_body(struct call_object *c, Py_ssize_t n)
{
    Py_buffer all;
    PyObject *bytes;

    if (PyObject_GetBuffer(c->body, &all, PyBUF_SIMPLE) < 0)
        return NULL;
    if (n < 0 || n > all.len - c->read_at)
        n = all.len - c->read_at;
    bytes = PyBytes_FromStringAndSize((char *)all.buf + c->read_at, n);
    if (bytes != NULL)
        c->read_at += n;
    PyBuffer_Release(&all);
    return bytes;
}

static PyObject *
read_some(hearth_call *call, Py_ssize_t n)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, n);
    ssize_t got;

    if (bytes == NULL)
        return NULL;
    got = hearth_read(call, PyBytes_AS_STRING(bytes), (size_t)n);
    if (got < 0) {
        Py_DECREF(bytes);
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (got < n)
        (void)_PyBytes_Resize(&bytes, got);
    return bytes;
}

#define PIECE ((Py_ssize_t)64 * 1024)

/* Until its end. */
static PyObject *
read_all(hearth_call *call)
{
    PyObject *all = PyBytes_FromStringAndSize(NULL, 0);

    while (all != NULL) {
        PyObject *piece = read_some(call, PIECE);

        if (piece == NULL || PyBytes_GET_SIZE(piece) == 0) {
            if (piece == NULL)
                Py_CLEAR(all);
            Py_XDECREF(piece);
            return all;
        }
        PyBytes_ConcatAndDel(&all, piece);
    }
    return NULL;
}

static PyObject *
call_read(PyObject *self, PyObject *args)
{
    struct call_object *c = as_call(self);
    Py_ssize_t n = -1;

    if (!PyArg_ParseTuple(args, "|n:read", &n) || open_call(self) == NULL)
        return NULL;
    if (c->body != NULL)
        return read_of_body(c, n);
    return n < 0 ? read_all(c->call) : read_some(c->call, n);
}

/* ---- the head of the request ---- */

static PyObject *
get_method(PyObject *self, void *none)
{
    hearth_call *call = open_call(self);

    (void)none;
    return call != NULL ? text_or_none(hearth_method(call)) : NULL;
}

static PyObject *
get_path(PyObject *self, void *none)
{
    hearth_call *call = open_call(self);
    const char *path = call != NULL ? hearth_path(call) : NULL;

    (void)none;
    if (call == NULL)
        return NULL;
    return path != NULL ? text_or_none(path) : PyErr_NoMemory();
}

static PyObject *
get_query_string(PyObject *self, void *none)
{
    hearth_call *call = open_call(self);

    (void)none;
    return call != NULL ? text_or_none(hearth_query_string(call)) : NULL;
}

static PyObject *
get_id(PyObject *self, void *none)
{
    hearth_call *call = open_call(self);

    (void)none;
    return call != NULL ? text_or_none(hearth_call_id(call)) : NULL;
}

static PyObject *
get_client(PyObject *self, void *none)
{
    hearth_call *call = open_call(self);

    (void)none;
    return call != NULL ? text_or_none(hearth_client(call)) : NULL;
}

static PyObject *
call_query(PyObject *self, PyObject *args)
{
    hearth_call *call = open_call(self);
    const char *name, *value;
    PyObject *otherwise = Py_None;

    if (call == NULL || !PyArg_ParseTuple(args, "s|O:query", &name, &otherwise))
        return NULL;
    value = hearth_query(call, name);
    return value != NULL ? text_or_none(value) : Py_NewRef(otherwise);
}

static PyObject *
call_header(PyObject *self, PyObject *args)
{
    hearth_call *call = open_call(self);
    const char *name, *value;
    PyObject *otherwise = Py_None;

    if (call == NULL || !PyArg_ParseTuple(args, "s|O:header", &name, &otherwise))
        return NULL;
    value = hearth_header(call, name);
    return value != NULL ? field_text(value) : Py_NewRef(otherwise);
}

/* The name in small letters, with '_' for '-' and in capitals after `before` if that is not "". */
static PyObject *
key_of(const char *before, const char *name)
{
    char key[256];
    size_t n = strlen(before), len = strlen(name);

    if (n + len >= sizeof key)
        len = sizeof key - 1 - n;
    for (size_t i = 0; i < n; i++)
        key[i] = before[i];
    for (size_t i = 0; i < len; i++) {
        char c = name[i];

        if (n == 0)
            key[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        else
            key[n + i] = (char)(c == '-' ? '_' : c >= 'a' && c <= 'z' ? c - 32 : c);
    }
    return PyUnicode_DecodeLatin1(key, (Py_ssize_t)(n + len), NULL);
}

static bool
set_item(PyObject *dict, const char *key, PyObject *value)
{
    bool well = value != NULL && PyDict_SetItemString(dict, key, value) == 0;

    Py_XDECREF(value);
    return well;
}

/* Adds all fields, each once: repeated ones are joined. */
static bool
add_fields(hearth_call *call, const char *before, PyObject *dict)
{
    const char *name, *value;

    for (unsigned i = 0; py_host->field(call, i, &name, &value); i++) {
        bool is_environ = before[0] != '\0';
        bool bare = is_environ && (strcasecmp(name, "Content-Type") == 0 ||
                                   strcasecmp(name, "Content-Length") == 0);
        PyObject *key = key_of(before, name), *text;
        int status;

        /* X_Y and X-Y would be the same there: of these two the proper one counts */
        if (is_environ && strchr(name, '_') != NULL) {
            Py_XDECREF(key);
            continue;
        }
        if (bare && key != NULL)
            Py_SETREF(key, PyUnicode_Substring(key, 5, PyUnicode_GET_LENGTH(key)));
        if (key == NULL)
            return false;
        status = PyDict_Contains(dict, key);
        text = status == 0 ? field_text(hearth_header(call, name)) : NULL;
        if (text != NULL)
            status = PyDict_SetItem(dict, key, text);
        Py_DECREF(key);
        if (status < 0 || (status == 0 && text == NULL)) {
            Py_XDECREF(text);
            return false;
        }
        Py_XDECREF(text);
    }
    return true;
}

static PyObject *
get_headers(PyObject *self, void *none)
{
    struct call_object *c = as_call(self);

    (void)none;
    if (c->headers == NULL) {
        PyObject *headers = open_call(self) != NULL ? PyDict_New() : NULL;

        if (headers == NULL || !add_fields(c->call, "", headers)) {
            Py_XDECREF(headers);
            return NULL;
        }
        c->headers = headers;
    }
    return Py_NewRef(c->headers);
}

/* What PEP 3333 takes from a request. */
static PyObject *
call_fill_environ(PyObject *self, PyObject *environ)
{
    hearth_call *call = open_call(self);
    const char *query = call != NULL ? hearth_query_string(call) : NULL;
    const char *path = call != NULL ? hearth_path(call) : NULL;
    const char *host = call != NULL ? hearth_header(call, "Host") : NULL;
    const char *port = host != NULL && host[0] != '[' ? strchr(host, ':') : NULL;

    if (call == NULL)
        return NULL;
    if (!PyDict_Check(environ))
        return PyErr_Format(PyExc_TypeError, "fill_environ takes a dict");
    if (path == NULL)
        return PyErr_NoMemory();
    if (host != NULL && host[0] == '[' && strchr(host, ']') != NULL)
        port = strchr(host, ']')[1] == ':' ? strchr(host, ']') + 1 : NULL;
    if (!set_item(environ, "REQUEST_METHOD", field_text(hearth_method(call))) ||
        !set_item(environ, "PATH_INFO", field_text(path)) ||
        !set_item(environ, "QUERY_STRING", field_text(query != NULL ? query : "")) ||
        !set_item(environ, "REMOTE_ADDR", field_text(hearth_client(call))) ||
        !set_item(environ, "SERVER_NAME",
                  host == NULL   ? field_text("localhost")
                  : port == NULL ? field_text(host)
                                 : PyUnicode_DecodeLatin1(host, port - host, NULL)) ||
        !set_item(environ, "SERVER_PORT", field_text(port != NULL ? port + 1 : "80")) ||
        !add_fields(call, "HTTP_", environ))
        return NULL;
    Py_RETURN_NONE;
}

/* ---- around it ---- */

static PyObject *
call_env(PyObject *self, PyObject *args)
{
    const char *name, *value;
    PyObject *otherwise = Py_None;

    (void)self;
    if (!PyArg_ParseTuple(args, "s|O:env", &name, &otherwise))
        return NULL;
    value = hearth_env(name);
    return value != NULL ? text_or_none(value) : Py_NewRef(otherwise);
}

static PyObject *
call_deadline_ms(PyObject *self, PyObject *none)
{
    hearth_call *call = open_call(self);

    (void)none;
    return call != NULL ? PyLong_FromLongLong(hearth_deadline_ms(call)) : NULL;
}

static PyObject *
get_memory_limit(PyObject *self, void *none)
{
    (void)self;
    (void)none;
    return PyLong_FromSize_t(hearth_memory_limit());
}

static PyObject *
call_memory_used(PyObject *self, PyObject *none)
{
    (void)self;
    (void)none;
    return PyLong_FromSize_t(hearth_memory_used());
}

static PyObject *
call_log(PyObject *self, PyObject *args, PyObject *names)
{
    static const char *const levels[] = {"debug", "info", "warning", "error", NULL};
    static char *keys[] = {(char *)"text", (char *)"level", NULL};
    const char *level = "info";
    PyObject *what, *text;

    if (!PyArg_ParseTupleAndKeywords(args, names, "O|s:log", keys, &what, &level))
        return NULL;
    for (int i = 0; levels[i] != NULL; i++) {
        const char *said;

        if (strcmp(levels[i], level) != 0)
            continue;
        text = PyObject_Str(what);
        said = text != NULL ? PyUnicode_AsUTF8(text) : NULL;
        if (said != NULL)
            (void)hearth_log(as_call(self)->call, (enum hearth_level)i, "%s", said);
        Py_XDECREF(text);
        if (said == NULL)
            return NULL;
        Py_RETURN_NONE;
    }
    return PyErr_Format(PyExc_ValueError,
                        "level is \"debug\", \"info\", \"warning\" or \"error\", "
                        "and not \"%s\"",
                        level);
}

/* ---- the response ---- */

static PyObject *
get_status(PyObject *self, void *none)
{
    (void)none;
    return PyLong_FromLong(as_call(self)->status);
}

static int
set_status(PyObject *self, PyObject *value, void *none)
{
    long status = value != NULL ? PyLong_AsLong(value) : -1;

    (void)none;
    if (status == -1 && PyErr_Occurred())
        return -1;
    if (open_call(self) == NULL)
        return -1;
    if (status < 200 || status > 599 || hearth_status(as_call(self)->call, (int)status) < 0) {
        PyErr_SetString(PyExc_ValueError, "status is 200 to 599, and set before the first write");
        return -1;
    }
    as_call(self)->status = (int)status;
    return 0;
}

/* The bytes of a field: one for each letter up to U+00FF, else UTF-8. */
static PyObject *
field_bytes(PyObject *text)
{
    PyObject *bytes;

    if (PyBytes_Check(text))
        return Py_NewRef(text);
    if (!PyUnicode_Check(text))
        return PyErr_Format(PyExc_TypeError, "a header is str, and not %s", Py_TYPE(text)->tp_name);
    bytes = PyUnicode_AsLatin1String(text);
    if (bytes != NULL || !PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
        return bytes;
    PyErr_Clear();
    return PyUnicode_AsUTF8String(text);
}

static PyObject *
call_set_header(PyObject *self, PyObject *args)
{
    hearth_call *call = open_call(self);
    PyObject *value, *bytes;
    const char *name;
    char *raw;
    Py_ssize_t n;
    int status, error;

    if (call == NULL || !PyArg_ParseTuple(args, "sO:set_header", &name, &value))
        return NULL;
    bytes = field_bytes(value);
    if (bytes == NULL)
        return NULL;
    (void)PyBytes_AsStringAndSize(bytes, &raw, &n);
    status = strlen(raw) == (size_t)n ? hearth_set_header(call, name, raw) : -1;
    error = strlen(raw) == (size_t)n ? errno : EINVAL;
    Py_DECREF(bytes);
    if (status < 0 && error == ENOSPC)
        return PyErr_Format(PyExc_ValueError, "the headers of the response are too long at %s",
                            name);
    if (status < 0)
        return PyErr_Format(PyExc_ValueError,
                            "%s cannot be set: it is no legal header, is the platform's own, was "
                            "set before, or comes after the first write",
                            name);
    if (strcasecmp(name, "Content-Type") == 0)
        as_call(self)->typed = true;
    Py_RETURN_NONE;
}

static PyObject *
call_default_type(PyObject *self, PyObject *type)
{
    const char *text = PyUnicode_AsUTF8(type);

    if (text == NULL || open_call(self) == NULL)
        return NULL;
    if (!as_call(self)->typed)
        as_call(self)->typed = hearth_set_header(as_call(self)->call, "Content-Type", text) == 0;
    Py_RETURN_NONE;
}

static bool
write_bytes(hearth_call *call, const void *bytes, Py_ssize_t n)
{
    if (hearth_write(call, bytes, (size_t)n) == 0)
        return true;
    if (errno == EINVAL)
        PyErr_SetString(PyExc_ValueError, "more was written than Content-Length says");
    else
        (void)PyErr_SetFromErrno(PyExc_OSError);
    return false;
}

static bool
write_object(hearth_call *call, PyObject *data)
{
    Py_buffer view;
    bool well;

    if (PyUnicode_Check(data)) {
        Py_ssize_t n;
        const char *text = PyUnicode_AsUTF8AndSize(data, &n);

        return text != NULL && write_bytes(call, text, n);
    }
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return false;
    well = write_bytes(call, view.buf, view.len);
    PyBuffer_Release(&view);
    return well;
}

static PyObject *
call_write(PyObject *self, PyObject *data)
{
    hearth_call *call = open_call(self);

    if (call == NULL)
        return NULL;
    if (!PyUnicode_Check(data) && !PyObject_CheckBuffer(data))
        return PyErr_Format(PyExc_TypeError, "write takes str, bytes or another buffer, and not %s",
                            Py_TYPE(data)->tp_name);
    if (!write_object(call, data))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
call_flush(PyObject *self, PyObject *none)
{
    hearth_call *call = open_call(self);

    (void)none;
    if (call == NULL)
        return NULL;
    if (hearth_flush(call) < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

bool
py_call_respond(PyObject *self, PyObject *result, PyObject *respond)
{
    PyObject *done;

    if (result == Py_None)
        return true;
    if (PyUnicode_Check(result) || PyObject_CheckBuffer(result))
        return write_object(as_call(self)->call, result);
    done = PyObject_CallFunctionObjArgs(respond, self, result, NULL);
    Py_XDECREF(done);
    return done != NULL;
}

/* ---- the type ---- */

static PyGetSetDef attributes[] = {
    {"method", get_method, NULL, "of the request", NULL},
    {"path", get_path, NULL, "what follows the function's name, decoded", NULL},
    {"query_string", get_query_string, NULL, "as it came, or None", NULL},
    {"headers", get_headers, NULL, "dict: names in small letters", NULL},
    {"body", get_body, NULL, "memoryview of the whole body", NULL},
    {"id", get_id, NULL, "of the call", NULL},
    {"client", get_client, NULL, "the client's address", NULL},
    {"memory_limit", get_memory_limit, NULL, "bytes", NULL},
    {"status", get_status, set_status, "of the response", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef methods[] = {
    {"query", call_query, METH_VARARGS, "query(name, default=None)"},
    {"header", call_header, METH_VARARGS, "header(name, default=None)"},
    {"read", call_read, METH_VARARGS, "read(n=-1): bytes of the body, b\"\" at its end"},
    {"env", call_env, METH_VARARGS, "env(name, default=None): of the setting env"},
    {"deadline_ms", call_deadline_ms, METH_NOARGS, "what is left of the timeout"},
    {"memory_used", call_memory_used, METH_NOARGS, "bytes"},
    {"log", (PyCFunction)(void (*)(void))call_log, METH_VARARGS | METH_KEYWORDS,
     "log(text, level=\"info\")"},
    {"set_header", call_set_header, METH_VARARGS, "set_header(name, value)"},
    {"default_type", call_default_type, METH_O, "Content-Type where the function has set none"},
    {"write", call_write, METH_O, "write(data): str, bytes or another buffer"},
    {"flush", call_flush, METH_NOARGS, "what was written is on its way"},
    {"fill_environ", call_fill_environ, METH_O, "adds what WSGI takes from the request"},
    {NULL, NULL, 0, NULL},
};

static void
call_dealloc(PyObject *self)
{
    Py_XDECREF(as_call(self)->headers);
    Py_XDECREF(as_call(self)->body);
    PyObject_Free(self);
}

static PyTypeObject call_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "hearth.Call",
    .tp_basicsize = sizeof(struct call_object),
    .tp_dealloc = call_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_getset = attributes,
    .tp_methods = methods,
};

bool
py_call_ready(PyObject *module)
{
    (void)module;
    return PyType_Ready(&body_type) == 0 && PyType_Ready(&call_type) == 0;
}

PyObject *
py_call_new(hearth_call *call)
{
    struct call_object *c = PyObject_New(struct call_object, &call_type);

    if (c == NULL)
        return NULL;
    c->call = call;
    c->headers = c->body = NULL;
    c->read_at = 0;
    c->status = 200;
    c->typed = false;
    return (PyObject *)c;
}

void
py_call_end(PyObject *self)
{
    as_call(self)->call = NULL;
    Py_CLEAR(as_call(self)->body);
}
