"""_hearth_worker.py: the part of the loader that is written in Python: how modules are found, which
form a handler has, and what is made of its results. What is done for each call and is short stands
in C (call.c)."""

import base64
import gc
import io
import json
import marshal
import os
import sys
import time
import traceback
from importlib import _bootstrap
from importlib.machinery import (BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES,
                                 ExtensionFileLoader, FileFinder, SourceFileLoader,
                                 SourcelessFileLoader)
from importlib.util import MAGIC_NUMBER

import _hearth
import hearth

ROOT = "/function"
USUAL_NAMES = ("handle", "app", "handler")  # of a handler in one file
OWN_FILE = __file__
CO_VARARGS, CO_ASYNC = 0x04, 0x80 | 0x200  # of inspect, which is large

# ---- streams: what is printed is the function's log ----


class _Raw(io.RawIOBase):
    def __init__(self, number, name):
        self.number, self.name = number, name

    def writable(self):
        return True

    def fileno(self):
        return self.number

    def write(self, data):
        return _hearth.output(self.number, data)


def _stream(number, name):
    raw = io.BufferedWriter(_Raw(number, name), 8192)
    return io.TextIOWrapper(raw, "utf-8", "backslashreplace", line_buffering=True,
                            write_through=True)


sys.stdin = io.TextIOWrapper(io.BytesIO(), "utf-8")
sys.stdout = sys.__stdout__ = _stream(1, "<stdout>")
sys.stderr = sys.__stderr__ = _stream(2, "<stderr>")

# ---- modules: code that was compiled when the version was deployed ----

_begin = 8 + int.from_bytes(_hearth.object[:8], "little")
_code = _hearth.object[_begin:]
HANDLER, _index, _magic = marshal.loads(_hearth.object[8:_begin])
if _magic != MAGIC_NUMBER:  # of another Python: then the sources are compiled when they are loaded
    _index = {}


class _Loader(SourceFileLoader):
    def get_code(self, fullname):
        place = _index.get(self.path[len(ROOT) + 1:])
        if place is None:
            return super().get_code(fullname)
        return marshal.loads(_code[place[0]:place[0] + place[1]])


def _hook(path):
    if path != ROOT and not path.startswith(ROOT + "/"):
        raise ImportError(path)
    return FileFinder(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (_Loader, SOURCE_SUFFIXES),
                      (SourcelessFileLoader, BYTECODE_SUFFIXES))


def _add_folders():
    """Of the bundle: its root, and where installers put packages."""
    version = "python%d.%d" % sys.version_info[:2]
    packages = ("site-packages", "lib/site-packages", f"lib/{version}/site-packages",
                f"python/lib/{version}/site-packages", "python")
    sys.path_hooks.insert(0, _hook)
    sys.path[:0] = [ROOT] + [f"{ROOT}/{p}" for p in packages if os.path.isdir(f"{ROOT}/{p}")]


# ---- what imports cost ----

_costs = []  # module, nanoseconds, bytes: without those that it imports itself
_nested = []  # the same sums of the imports within the one that runs


def _timed(load):
    def load_timed(spec):
        begun, used = time.perf_counter_ns(), _hearth.memory_used()
        _nested.append([0, 0])
        try:
            return load(spec)
        finally:
            took, grew = time.perf_counter_ns() - begun, _hearth.memory_used() - used
            inner = _nested.pop()
            _costs.append((spec.name, took - inner[0], max(grew - inner[1], 0)))
            if _nested:
                _nested[-1][0] += took
                _nested[-1][1] += grew
    return load_timed


def costs():
    """The text of struct frame_ready."""
    heaviest = sorted(_costs, key=lambda c: (c[2], c[1]), reverse=True)[:10]
    heaviest += sorted(_costs, key=lambda c: c[1], reverse=True)[:10]
    heaviest = sorted(dict.fromkeys(heaviest), key=lambda c: (c[1], c[2]), reverse=True)
    lines, room = [], 2000
    for name, ns, size in heaviest:
        line = f"{name[:128]} {ns} {size}\n"
        room -= len(line.encode())
        if " " in name or room < 0:
            continue
        lines.append(line)
    return "".join(lines)


# ---- results ----

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _write_piece(call, piece):
    if isinstance(piece, (dict, list)):
        call.default_type("application/x-ndjson")
        call.write(_dumps(piece) + "\n")
    elif piece is not None:
        call.write(piece)


def _close(iterable):
    close = getattr(iterable, "close", None)
    if close is not None:
        close()


def respond(call, result):
    """Of all but None, str and buffers, which call.c writes itself."""
    if isinstance(result, (dict, list)):
        call.default_type("application/json")
        call.write(_dumps(result))
        return
    try:
        pieces = iter(result)
    except TypeError:
        raise TypeError(f"the handler returned {type(result).__name__}; it may return None, str, "
                        "bytes or another buffer, dict, list, or an iterable of these") from None
    try:
        for piece in pieces:
            _write_piece(call, piece)
            call.flush()
    finally:
        _close(result)


# ---- WSGI (PEP 3333) ----

_HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te",
               "trailers", "transfer-encoding", "upgrade", "date", "server"}


class _Input(io.RawIOBase):
    def __init__(self, call):
        self._call = call

    def readable(self):
        return True

    def readinto(self, buffer):
        data = self._call.read(len(buffer))
        buffer[:len(data)] = data
        return len(data)


class _Response:
    """The head of a WSGI response, sent with the first byte of its body."""

    __slots__ = ("call", "status", "headers", "sent")

    def __init__(self, call):
        self.call, self.status, self.headers, self.sent = call, None, None, False

    def start(self, status, headers, exc_info=None):
        if exc_info is not None:
            try:
                if self.sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.status is not None:
            raise AssertionError("start_response was called before, and without exc_info")
        self.status, self.headers = int(status[:3]), headers
        return self.write

    def send(self):
        if self.status is None:
            raise AssertionError("the application wrote before it called start_response")
        call = self.call
        self.sent = True
        call.status = self.status
        for name, value in self.headers:
            if name.lower() not in _HOP_BY_HOP:
                call.set_header(name, value)

    def write(self, data):
        if not self.sent:
            self.send()
        self.call.write(data)
        self.call.flush()


def _wsgi(app):
    base = {
        "SCRIPT_NAME": "/function/" + _hearth.function_name, "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "hearth", "GATEWAY_INTERFACE": "CGI/1.1", "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr, "wsgi.multithread": False,
        "wsgi.multiprocess": True, "wsgi.run_once": False, "wsgi.input_terminated": True,
    }

    def serve(call):
        environ = base.copy()
        call.fill_environ(environ)
        environ["wsgi.input"] = io.BufferedReader(_Input(call))
        environ["hearth.call"] = call
        response = _Response(call)
        result = app(environ, response.start)
        try:
            streams = not isinstance(result, (list, tuple))
            for piece in result:
                if not response.sent and piece:
                    response.send()
                if piece:
                    call.write(piece)
                    if streams:
                        call.flush()
            if not response.sent:
                response.send()
        finally:
            _close(result)
    return serve


# ---- Lambda: the event of a function URL, version 2.0 ----

_TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml",
               "application/x-www-form-urlencoded", "application/graphql", "application/ld+json")


class Context:
    """As AWS Lambda's context object."""

    identity = client_context = None

    def __init__(self, call):
        self._call = call
        self.aws_request_id = call.id
        self.function_name = _hearth.function_name
        self.function_version = _hearth.function_version
        self.memory_limit_in_mb = call.memory_limit >> 20
        self.invoked_function_arn = "arn:hearth:function:" + self.function_name
        self.log_group_name = "/hearth/" + self.function_name
        self.log_stream_name = self.function_version

    def get_remaining_time_in_millis(self):
        return self._call.deadline_ms()


def _event(call):
    from urllib.parse import parse_qsl
    headers, now, query = dict(call.headers), time.time(), {}
    cookies = headers.pop("cookie", None)
    for name, value in parse_qsl(call.query_string or "", keep_blank_values=True):
        query[name] = query[name] + "," + value if name in query else value
    host = headers.get("host", "")
    event = {
        "version": "2.0", "routeKey": "$default", "rawPath": call.path,
        "rawQueryString": call.query_string or "", "headers": headers,
        "requestContext": {
            "accountId": "anonymous", "apiId": _hearth.function_name, "domainName": host,
            "domainPrefix": host.partition(".")[0], "requestId": call.id, "routeKey": "$default",
            "stage": "$default", "timeEpoch": int(now * 1000),
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "http": {"method": call.method, "path": call.path, "protocol": "HTTP/1.1",
                     "sourceIp": call.client, "userAgent": headers.get("user-agent", "")},
        },
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = query
    if cookies:
        event["cookies"] = [c.strip() for c in cookies.split(";")]
    body = call.body
    if len(body) > 0:
        try:
            if not headers.get("content-type", "").lower().startswith(_TEXT_TYPES):
                raise ValueError
            event["body"] = str(body, "utf-8")
        except ValueError:
            event["body"] = base64.b64encode(body).decode()
            event["isBase64Encoded"] = True
    return event


def _lambda(handler):
    def serve(call):
        result = handler(_event(call), Context(call))
        headers = {}
        body = result
        if isinstance(result, dict) and "statusCode" in result:
            call.status = int(result["statusCode"])
            headers = result.get("headers") or {}
            body = result.get("body", "")
            for cookie in result.get("cookies") or ():
                call.set_header("Set-Cookie", cookie)
            if result.get("isBase64Encoded"):
                body = base64.b64decode(body)
        for name, value in headers.items():
            if name.lower() not in _HOP_BY_HOP:
                call.set_header(name, str(value))
        call.default_type("application/json")
        if body is None and body is not result:
            body = ""
        call.write(body if isinstance(body, (str, bytes)) else _dumps(body))
    return serve


# ---- the handler ----


def _parameters(handler):
    """Names of the parameters that a call has to give; None: it takes any."""
    plain = handler if hasattr(handler, "__code__") else getattr(type(handler), "__call__", None)
    code = getattr(plain, "__code__", None)
    if code is not None and not hasattr(handler, "__wrapped__"):
        names = code.co_varnames[plain is not handler:code.co_argcount]
        needed = names[:len(names) - len(plain.__defaults__ or ())]
        return (needed or names) if needed or not code.co_flags & CO_VARARGS else None
    import inspect
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        return None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    some = [p for p in signature.parameters.values() if p.kind in kinds]
    needed = [p.name for p in some if p.default is inspect.Parameter.empty]
    if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in signature.parameters.values()):
        return needed or None
    return needed if needed else [p.name for p in some]


def _form(name, handler):
    if not callable(handler):
        raise TypeError(f"the handler {name} is of type {type(handler).__name__}, and cannot be "
                        "called")
    if getattr(getattr(handler, "__code__", None), "co_flags", 0) & CO_ASYNC:
        raise TypeError(f"the handler {name} is asynchronous: it has to be a usual function, which "
                        "may call asyncio.run")
    names = _parameters(handler)
    if names is None:  # it takes anything: its name says what it is
        last = name.rpartition(".")[2]
        names = {"handle": ["call"], "app": ["environ", "start_response"],
                 "application": ["environ", "start_response"]}.get(last, ["event", "context"])
    if len(names) == 1:
        return handler
    if len(names) != 2:
        raise TypeError(f"the handler {name} takes {len(names)} arguments: it has to be "
                        "handle(call), app(environ, start_response) or handler(event, context)")
    if names[1].lstrip("_") in ("context", "ctx", "lambda_context") or names[0].lstrip("_") in (
            "event", "evt"):
        return _lambda(handler)
    if names[0].startswith("env") or names[1].startswith("start"):
        return _wsgi(handler)
    return _lambda(handler) if name.rpartition(".")[2].endswith("handler") else _wsgi(handler)


def _import_handler():
    module_name, _, name = HANDLER.rpartition(".")
    if HANDLER == "-":
        module_name = "function"
    module = __import__(module_name, fromlist=["*"])
    if HANDLER == "-":
        found = [n for n in USUAL_NAMES if hasattr(module, n)]
        if not found:
            raise AttributeError("function.py defines none of handle, app and handler")
        name = found[0]
    elif not hasattr(module, name):
        raise AttributeError(f"module {module_name} has no {name}, which is its handler")
    return _form(module_name + "." + name, getattr(module, name))


def load():
    """Runs the function's modules. What serves a call."""
    _add_folders()
    plain = _bootstrap._load_unlocked
    _bootstrap._load_unlocked = _timed(plain)
    try:
        serve = _import_handler()
    finally:
        _bootstrap._load_unlocked = plain
    restore = sys.modules.get("snapshot_restore_py")
    for function in reversed(restore._before) if restore is not None else ():
        function()
    return serve


# ---- errors ----


def _is_own(file):
    return file == OWN_FILE or file.startswith("<frozen importlib")


def _strip(report):
    """Takes the platform's frames, and the import system's, out of a traceback and its causes."""
    seen = set()
    while report is not None and id(report) not in seen:
        seen.add(id(report))
        kept = [frame for frame in report.stack if not _is_own(frame.filename)]
        report.stack = traceback.StackSummary.from_list(kept)
        report = report.__cause__ or report.__context__


def report(exception):
    """Message and traceback, to the log."""
    lines = traceback.TracebackException.from_exception(exception)
    _strip(lines)
    sys.stderr.write("".join(lines.format()))


def _text_of(exception):
    try:
        return str(exception).encode("utf-8", "backslashreplace").decode()
    except Exception:
        return "its text cannot be made"


def explain(exception):
    """One line, "FILE:LINE: error: TEXT", of what kept the function from being loaded."""
    file, line = None, None
    if isinstance(exception, SyntaxError) and exception.filename:
        file, line = exception.filename, exception.lineno
    else:
        for frame in traceback.extract_tb(exception.__traceback__):
            if frame.filename.startswith(ROOT + "/"):
                file, line = frame.filename, frame.lineno
    text = f"{type(exception).__name__}: {_text_of(exception)}"
    if file is None or not file.startswith(ROOT + "/"):
        return text
    return f"{file[len(ROOT) + 1:]}:{line}: error: {text}"


# ---- profile: on request, what each line allocates, and which types grow ----

_FRAMES = 25  # of a stack
_STACKS = 500  # that are sent, the largest first
_TYPES = 50
_types = {}


def _count_types():
    """Objects that the collector knows, after a full collection, by type: without those that were
    there when the function was loaded."""
    gc.collect()
    counts = {}
    for one in gc.get_objects():
        key = id(type(one))
        counts[key] = (counts[key][0] + 1 if key in counts else 1, type(one))
    return counts


def profile_begin():
    import tracemalloc
    global _types
    _types = _count_types()
    tracemalloc.start(_FRAMES)


def _place(frame):
    file = frame.filename.removeprefix(ROOT + "/").replace(" ", "_")
    return f"{file}:{frame.lineno}"


def profile_end():
    """The lines of worker/profile.h."""
    import tracemalloc
    lines, frames = [], {}
    if tracemalloc.is_tracing():
        snapshot = tracemalloc.take_snapshot()
        tracemalloc.stop()
        for one in snapshot.statistics("traceback")[:_STACKS]:
            stack = [f for f in reversed(one.traceback)
                     if f.filename not in (OWN_FILE, tracemalloc.__file__)]
            for frame in stack:
                if _place(frame) not in frames:
                    frames[_place(frame)] = len(frames) + 1
                    lines.append(f"f {frames[_place(frame)]:x} python {frame.lineno:x} "
                                 f"{_place(frame)}")
            if stack:
                addresses = " ".join(f"{frames[_place(frame)]:x}" for frame in stack)
                lines.append(f"s {one.count} {one.size} {one.count} {one.size} {addresses}")
        del snapshot
    counts = _count_types()
    grown = sorted(((n - _types.get(key, (0,))[0], n, kind) for key, (n, kind) in counts.items()),
                   key=lambda g: g[:2], reverse=True)
    for grew, n, kind in grown[:_TYPES]:
        if grew > 0:
            module, name = str(kind.__module__), kind.__qualname__
            lines.append(f"o {grew} {n} {module.replace(' ', '_')} {name.replace(' ', '_')}")
    _types.clear()
    return "\n".join(lines) + "\n"


# ---- a new instance ----


def _from_system(generator):
    """Whether a generator of numpy was seeded by the system, and not by the function."""
    try:
        return generator._seed_seq.entropy >= 1 << 64
    except (AttributeError, TypeError):
        return False


def find_generators():
    """Those of numpy that each fork seeds anew, before they are frozen."""
    numpy = sys.modules.get("numpy.random")
    if numpy is None:
        return []
    kinds = (numpy.Generator, numpy.RandomState)
    return [one for one in gc.get_objects() if isinstance(one, kinds)]


def seed(generators):
    """In a fork: random and uuid do so themselves (os.register_at_fork), secrets and ssl have no
    state of their own."""
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()
    for generator in generators:
        bits = getattr(generator, "bit_generator", None) or getattr(generator, "_bit_generator", None)
        if bits is not None and _from_system(bits):
            bits.state = type(bits)().state


def begin():
    for function in hearth._after_fork:
        function()
