"""Traces: what a collector receives, which this is: it takes the protobuf apart by the field numbers of
opentelemetry/proto/trace/v1/trace.proto. As HEARTH_PREFIX of the environment."""
import http.client
import http.server
import os
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.environ["SCRIPTS"])
from daemon import Daemon, wait  # noqa: E402

SOURCE = """
#include <hearth.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
int hearth_handle(hearth_call *call)
{
    const char *how = hearth_query(call, "how"), *trace = hearth_header(call, "traceparent");
    struct timespec nap = {.tv_nsec = 20000000};
    if (how != NULL && strcmp(how, "crash") == 0)
        abort();
    if (how != NULL && strcmp(how, "nap") == 0)
        nanosleep(&nap, NULL);
    return hearth_printf(call, "%s", trace != NULL ? trace : "none");
}
"""


def fields(message):
    """(number, value) of a protobuf message."""
    at = 0

    def varint():
        nonlocal at
        number = shift = 0
        while True:
            byte = message[at]
            at += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    while at < len(message):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        elif tag & 7 == 1:
            yield tag >> 3, struct.unpack("<Q", message[at:at + 8])[0]
            at += 8
        else:
            assert tag & 7 == 2, tag
            n = varint()
            assert at + n <= len(message)
            yield tag >> 3, message[at:at + n]
            at += n


def attributes(pairs):
    found = {}
    for pair in pairs:
        key, value = dict(fields(pair))[1].decode(), list(fields(dict(fields(pair))[2]))
        number, content = value[0]
        found[key] = content.decode() if number == 1 else bool(content) if number == 2 else content
    return found


class Span:
    def __init__(self, message):
        several = [value for number, value in fields(message) if number == 9]
        one = {number: value for number, value in fields(message) if number != 9}
        self.trace, self.id, self.parent = one[1].hex(), one[2].hex(), one.get(4, b"").hex()
        self.name, self.kind, self.start, self.end = one[5].decode(), one[6], one[7], one[8]
        self.attributes = attributes(several)
        self.status = dict(fields(one.get(15, b"")))


class Collector(http.server.BaseHTTPRequestHandler):
    spans, resource, answers, lock = [], {}, [], threading.Lock()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf", self.path
        status = Collector.answers.pop(0) if Collector.answers else 200
        if status == 200:
            for number, resource_spans in fields(body):
                assert number == 1
                parts = list(fields(resource_spans))
                Collector.resource = attributes(v for n, v in fields(dict(parts)[1]) if n == 1)
                for n, scope_spans in parts:
                    if n == 2:
                        with Collector.lock:
                            Collector.spans += [Span(v) for k, v in fields(scope_spans) if k == 2]
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def of(trace, name=None):
    with Collector.lock:
        return [s for s in Collector.spans if s.trace == trace and (name is None or s.name == name)]


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
threading.Thread(target=server.serve_forever, daemon=True).start()
d = Daemon(f"--otlp=http://127.0.0.1:{server.server_address[1]}")
d.deploy("f", SOURCE, "?memory=16M")
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

# a client that traces: the function's parent is the span of its run
seen = d.send("GET", "/function/f?how=nap", headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Call-Id": "mine"}).body.decode()
match = re.fullmatch(f"00-{TRACE}-([0-9a-f]{{16}})-01", seen)
assert match and match.group(1) != PARENT, seen
wait("the spans", lambda: of(TRACE, "run"))
call, = of(TRACE, "GET /function/f")
run, = of(TRACE, "run")
assert call.parent == PARENT and run.parent == call.id and run.id == match.group(1)
assert call.kind == 2 and run.kind == 1 and not call.status
assert call.start <= run.start <= run.end <= call.end and run.end - run.start >= 20_000_000
assert abs(call.end / 1e9 - time.time()) < 60
assert call.attributes == {"http.request.method": "GET", "faas.name": "f", "faas.invocation_id": "mine",
                           "faas.trigger": "http", "faas.coldstart": True, "http.response.status_code": 200}, call.attributes
cold, = of(TRACE, "cold start")
assert cold.parent == call.id and cold.end <= run.start
assert Collector.resource["service.name"] == "hearth" and Collector.resource["host.name"]

# one that says that it does not: the field is passed on, nothing is sent
other = "1af7651916cd43dd8448eb211c80319c"
assert d.send("GET", "/function/f", headers={"traceparent": f"00-{other}-{PARENT}-00"}).body.decode() == f"00-{other}-{PARENT}-00"

# none, or a malformed one: a trace of its own
for headers in ({}, {"traceparent": "00-zz"}, {"traceparent": f"00-{'0' * 32}-{PARENT}-01"}):
    seen = d.send("GET", "/function/f", headers=headers).body.decode()
    own = re.fullmatch("00-([0-9a-f]{32})-([0-9a-f]{16})-01", seen)
    assert own, seen
    wait("the spans", lambda: of(own.group(1), "run"))
    assert of(own.group(1), "GET /function/f")[0].parent == "" and of(own.group(1), "run")[0].id == own.group(2)
assert not of(other)

# given twice, it counts as absent
seen = d.raw(f"GET /function/f HTTP/1.1\r\nHost: a\r\ntraceparent: 00-{other}-{PARENT}-01\r\n"
             f"traceparent: 00-{TRACE}-{PARENT}-01\r\n\r\n").body.decode()
assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", seen) and other not in seen and TRACE not in seen, seen

# an error has its code
crash = "2af7651916cd43dd8448eb211c80319c"
assert d.send("GET", "/function/f?how=crash", headers={"traceparent": f"00-{crash}-{PARENT}-01"}).status == 502
wait("the span", lambda: of(crash, "GET /function/f"))
call, = of(crash, "GET /function/f")
assert call.attributes["error.type"] == "function_crashed" and call.status[3] == 2 and call.status[2] == b"function_crashed"

# a collector that cannot just now gets it again
Collector.answers = [503]
again = "3af7651916cd43dd8448eb211c80319c"
d.send("GET", "/function/f", headers={"traceparent": f"00-{again}-{PARENT}-01"})
wait("the spans", lambda: of(again, "run"))

# many, in batches
many = "4af7651916cd43dd8448eb211c80319c"
c = d.connect()
for _ in range(1000):
    assert d.send("GET", "/function/f", headers={"traceparent": f"00-{many}-{PARENT}-01"}, connection=c).status == 200
wait("1000 calls", lambda: len(of(many, "run")) == 1000)
assert len({s.id for s in of(many)}) == len(of(many)), "each span has an id of its own"

# the collector goes: calls go on, what is lost is said
server.shutdown()
server.server_close()
for _ in range(200):
    assert d.send("GET", "/function/f", connection=c).status == 200
wait("a warning", lambda: "calls were dropped: " in open(d.log.name, encoding="utf-8").read())

# a killed exporter is started again
children = subprocess.run(["pgrep", "-P", str(d.process.pid), "hearth-exporter"], capture_output=True, text=True, check=True)
os.kill(int(children.stdout), 9)
wait("another exporter", lambda: "the exporter of traces ended with signal 9" in open(d.log.name, encoding="utf-8").read())
assert d.send("GET", "/function/f").status == 200
wait("another exporter", lambda: subprocess.run(["pgrep", "-P", str(d.process.pid), "hearth-exporter"],
                                               capture_output=True, check=False).returncode == 0)
d.end()
