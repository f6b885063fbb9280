"""/v1/openapi.json against the daemon: calls every path, provokes every code that it lists, and checks
each answer against its schema. What is listed and has no way here to provoke it is an error.

As HEARTH_PREFIX of the environment; starts daemons of its own, as root.
"""
import http.client
import io
import json
import os
import signal
import socket
import sys
import tarfile
import threading
import time

from jsonschema import Draft202012Validator

sys.path.insert(0, os.environ["SCRIPTS"])
from daemon import PATIENCE, Answer, Daemon, wait  # noqa: E402

CALLED = """
#include <errno.h>
#include <hearth.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
int hearth_init(void) { return hearth_env("FAIL") != NULL ? 7 : 0; }
int hearth_handle(hearth_call *call)
{
    const char *how = hearth_query(call, "how"), *body = NULL;
    size_t len;
    if (how == NULL) {
        body = hearth_body(call, &len);
        how = body != NULL && strcmp(body, "pause") == 0 ? body : NULL;
    }
    if (how == NULL)
        return hearth_printf(call, "fine\\n");
    hearth_log(call, HEARTH_INFO, "how: %s", how);
    if (strcmp(how, "fail") == 0)
        return 3;
    if (strcmp(how, "crash") == 0)
        abort();
    if (strcmp(how, "reboot") == 0)
        syscall(SYS_reboot, 0, 0, 0, 0);
    if (strcmp(how, "memory") == 0)
        for (;;) {
            char *p = malloc(1 << 20);
            if (p != NULL)
                memset(p, 1, 1 << 20);
        }
    if (strcmp(how, "sleep") == 0) {
        struct timespec until = {.tv_sec = 60};
        while (nanosleep(&until, &until) != 0)
            ;
    }
    if (strcmp(how, "pause") == 0) {
        struct timespec until = {.tv_nsec = body != NULL ? 200000000 : 5000000};
        nanosleep(&until, NULL);
    }
    return hearth_printf(call, "fine\\n");
}
"""


def busy(daemon, path, method="GET"):
    """A call that runs until its connection is closed."""
    s = socket.create_connection(("127.0.0.1", daemon.port()), timeout=60)
    s.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    name = path.split("/")[2].split("?")[0]
    wait("a running call", lambda: json.loads(daemon.send("GET", f"/v1/functions/{name}").body)["instances"]["busy"] > 0)
    return s


GZIP = {"Content-Type": "application/gzip"}


def with_memory(saved, memory):
    """The same version with another setting."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(saved)) as old, tarfile.open(fileobj=out, mode="w:gz") as new:
        for member in old:
            data = old.extractfile(member).read()
            if member.name == "version.json":
                version = json.loads(data)
                version["settings"]["memory"] = memory
                data = json.dumps(version).encode()
                member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return out.getvalue()


class Suite:
    def __init__(self):
        self.main = Daemon("--header-timeout=300ms", "--spool-bytes=256K")
        d = self.main
        self.document = json.loads(d.send("GET", "/v1/openapi.json").body)
        d.deploy("f", CALLED, "?memory=16M&timeout=20s&max_body=2M")
        d.deploy("slow", CALLED, "?memory=16M&timeout=60s&max=1&queue=0")
        d.deploy("quick", CALLED, "?memory=16M&timeout=200ms&max_body=1K")
        d.deploy("broken", CALLED, "?memory=16M")
        d.send("PATCH", "/v1/functions/broken", '{"env": {"FAIL": "1"}}')
        self.saved = d.send("GET", "/v1/functions/f/versions/1").body
        self.seen = set()

    def samples(self):
        """A request that succeeds, for each operation."""
        c = {"Content-Type": "text/x-c"}
        return {
            "dashboard": ("GET", "/"), "health": ("GET", "/healthz"), "ready": ("GET", "/readyz"),
            "metrics": ("GET", "/metrics"), "openapi": ("GET", "/v1/openapi.json"), "host": ("GET", "/v1/host"),
            "events": ("GET", "/v1/events"), "list": ("GET", "/v1/functions"), "describe": ("GET", "/v1/functions/f"),
            "deploy": ("PUT", "/v1/functions/f", CALLED, c), "change": ("PATCH", "/v1/functions/f", '{"timeout": "20s"}'),
            "versions": ("GET", "/v1/functions/f/versions"), "save": ("GET", "/v1/functions/f/versions/1"),
            "restore": ("PUT", "/v1/functions/moved/versions/1", self.saved, GZIP), "rollback": ("POST", "/v1/functions/f/rollback", '{"version": 1}'),
            "instances": ("GET", "/v1/functions/f/instances"), "memory": ("GET", "/v1/functions/f/memory"),
            "tune": ("POST", "/v1/functions/f/tune", '{"calls": 5, "memory": ["8M", "16M"]}'),
            "profile": ("POST", "/v1/functions/f/profile", '{"seconds": 1}'),
            "logs": ("GET", "/v1/functions/f/logs"), "delete": ("DELETE", "/v1/functions/gone"),
        }

    # ---- checking ----

    def operations(self):
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                yield path, method.upper(), operation

    def check(self, name, answer, code=None):
        operation = next(o for _, _, o in self.operations() if o["operationId"] == name)
        described = operation["responses"].get(str(answer.status)) or operation["responses"].get("default")
        if described is None:
            sys.exit(f"{name}: status {answer.status} is not described: {answer.body[:300]}")
        if code is not None and answer.body and answer.code() != code:
            sys.exit(f"{name}: {code} was to be provoked, the answer is {answer.status} {answer.body[:300]}")
        if code is not None and code not in described.get("x-codes", []):
            sys.exit(f"{name}: {code} is not described for {answer.status}")
        content = described.get("content", {})
        if content and answer.body:
            if answer.type not in content:
                sys.exit(f"{name}: {answer.type} is not described for {answer.status}")
            schema = content[answer.type].get("schema")
            if schema:
                self.validate(name, answer, schema)
        self.seen.add((name, str(answer.status), code))

    def validate(self, name, answer, schema):
        whole = dict(schema, components=self.document["components"])
        texts = answer.body.splitlines() if answer.type == "application/x-ndjson" else [answer.body]
        for text in texts:
            for error in Draft202012Validator(whole).iter_errors(json.loads(text)):
                sys.exit(f"{name} {answer.status}: {error.json_path}: {error.message} in {text[:500]}")

    def complete(self):
        missing = []
        for _, _, operation in self.operations():
            name = operation["operationId"]
            for status, response in operation["responses"].items():
                if status == "default":
                    continue
                for code in response.get("x-codes", [None]):
                    if (name, status, code) not in self.seen:
                        missing.append(f"{name} {status} {code or ''}")
        if missing:
            sys.exit("not provoked: " + "; ".join(missing))

    # ---- provoking ----

    def successes(self):
        d = self.main
        stop = threading.Event()

        def call():
            while not stop.is_set():
                d.send("GET", "/function/f?how=pause")

        caller = threading.Thread(target=call)
        d.deploy("gone", CALLED, "?memory=16M")
        for _ in range(50):
            d.send("POST", "/function/f", "x" * 100)
        d.send("GET", "/function/f?how=said")
        caller.start()
        for name, sample in self.samples().items():
            self.check(name, d.send(*sample))
        self.check("profile", d.send("POST", "/v1/functions/f/profile", '{"seconds": 1}',
                                     {"Accept": "application/vnd.google.protobuf"}))
        stop.set()
        caller.join()
        self.check("deploy", d.deploy("fresh", CALLED, "?memory=16M"))
        for path in ("/v1/functions/f/logs", "/v1/functions/f/memory", "/v1/events"):
            name = path.rsplit("/", 1)[1]
            self.check(name, d.send("GET", path))
        assert d.send("GET", "/v1/functions/f/logs").body, "there is a log"

    def common(self):
        """What all operations of a kind may answer."""
        d = self.main
        for path, method, operation in self.operations():
            name = operation["operationId"]
            if not path.startswith("/v1") and path != "/metrics":
                continue
            sample = list(self.samples()[name]) + [None, None]
            sample = sample[:4]
            codes = {c for r in operation["responses"].values() for c in r.get("x-codes", [])}
            fields = dict(sample[3] or {})
            if "unauthorized" in codes:
                self.check(name, d.send(*sample[:3], {**fields, "Authorization": "Bearer wrong"}), "unauthorized")
            if "forbidden" in codes:
                self.check(name, d.send(*sample[:3], {**fields, "Sec-Fetch-Site": "cross-site"}), "forbidden")
            if "bad_name" in codes:
                self.check(name, d.send(method, path.replace("{name}", "Bad_Name"), sample[2], fields), "bad_name")
            if "function_not_found" in codes:
                self.check(name, d.send(method, path.replace("{name}", "none"), sample[2], fields), "function_not_found")
            if "bad_json" in codes:
                self.check(name, d.send(*sample[:2], "{", fields), "bad_json")
            if "body_too_large" in codes:
                self.check(name, d.send(*sample[:2], b" " * ({"deploy": 64 << 20, "restore": 137 << 20}.get(name, 2 << 20) + 1024), fields),
                           "body_too_large")

    def settings(self):
        d = self.main
        bad = {
            "events": ("GET", "/v1/events?function=No"), "logs": ("GET", "/v1/functions/f/logs?level=loud"),
            "deploy": ("PUT", "/v1/functions/f?memory=1", CALLED, {"Content-Type": "text/x-c"}),
            "change": ("PATCH", "/v1/functions/f", '{"memory": 1}'),
            "tune": ("POST", "/v1/functions/f/tune", '{"calls": -1}'),
            "profile": ("POST", "/v1/functions/f/profile", '{"seconds": 0}'),
        }
        for name, sample in bad.items():
            self.check(name, d.send(*sample), "bad_setting")
        self.check("rollback", d.send("POST", "/v1/functions/f/rollback", '{"version": 99}'), "version_not_found")
        self.check("profile", d.send("POST", "/v1/functions/broken/profile", '{"seconds": 1}'), "profile_failed")

    def deploys(self):
        d = self.main

        def put(source, type="text/x-c", daemon=d):
            return daemon.send("PUT", "/v1/functions/bad", source, {"Content-Type": type})

        self.check("deploy", put("int x = ;"), "build_failed")
        self.check("deploy", put("#include <hearth.h>\nint hearth_init(void) { return 1; }\n"
                                 "int hearth_handle(hearth_call *c) { return 0; }\n"), "init_failed")
        self.check("deploy", put("x", "text/html"), "unsupported_media_type")
        self.check("deploy", put("x" * 1000, "application/x-tar"), "bad_bundle")

        self.overload("deploy", "", CALLED, {"Content-Type": "text/x-c"})  # builds take long enough

    def restores(self):
        d = self.main

        def put(body, version=1, name="back"):
            return d.send("PUT", f"/v1/functions/{name}/versions/{version}", body, GZIP)

        self.check("restore", put(self.saved, 0), "version_not_found")
        self.check("restore", put("x" * 1000), "bad_bundle")
        self.check("restore", put(with_memory(self.saved, 1)), "bad_setting")
        self.check("restore", put(d.send("GET", "/v1/functions/broken/versions/1").body), "init_failed")
        self.check("restore", put(self.saved))
        self.check("restore", put(self.saved), "version_exists")
        self.check("save", d.send("GET", "/v1/functions/f/versions/99999"), "version_not_found")
        self.overload("restore", "/versions/1", self.saved, GZIP)
        self.many_saves()

    def many_saves(self):
        """More than may wait, of a version that takes a while to pack."""
        d = self.main
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for name, data in (("main.c", CALLED.encode()), ("data", os.urandom(8 << 20))):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        answer = d.send("PUT", "/v1/functions/fat?memory=16M", out.getvalue(), {"Content-Type": "application/x-tar"})
        assert answer.status == 201, answer.body
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(d.send("GET", "/v1/functions/fat/versions/1")))
                   for _ in range(80)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        refused = [a for a in answers if a.status == 503]
        if not refused:
            sys.exit("save: overloaded could not be provoked")
        self.check("save", refused[0], "overloaded")

    def overload(self, operation, path, body, fields):
        d = self.main
        found, done = [], threading.Event()

        def many(i):
            while not done.is_set():
                answer = d.send("PUT", f"/v1/functions/many{i}", CALLED, {"Content-Type": "text/x-c"})
                if path:
                    answer = d.send("PUT", f"/v1/functions/many{i}{path}", body, fields)
                if answer.code() == "overloaded":
                    found.append(answer)
                    done.set()

        threads = [threading.Thread(target=many, args=(i,)) for i in range(150)]
        for t in threads:
            t.start()
        done.wait(60 * PATIENCE)
        done.set()
        for t in threads:
            t.join()
        if not found:
            sys.exit(f"{operation}: overloaded could not be provoked")
        self.check(operation, found[0], "overloaded")

    def tune_failed(self):
        d = self.main
        answers = []
        thread = threading.Thread(target=lambda: answers.append(
            d.send("POST", "/v1/functions/f/tune", '{"payloads": [{"body": "pause"}], "calls": 1000, "memory": ["8M", "12M", "16M"]}')))
        thread.start()
        while thread.is_alive():
            d.deploy("f", CALLED + f"/* {time.monotonic()} */")
        self.check("tune", answers[0], "tune_failed")

    def followers(self):
        d = self.main
        for name, path in (("logs", "/v1/functions/f/logs?follow=1&lines=0"), ("events", "/v1/events?follow=1&lines=0")):
            open_ones, answer = [], None
            for _ in range(200):
                c = d.connect()
                c.request("GET", path, headers={"Authorization": "Bearer " + d.token})
                r = c.getresponse()
                open_ones.append((c, r))
                if r.status != 200:
                    answer = Answer(r.status, r.getheader("Content-Type"), r.read())
                    break
            assert answer, "as many followers as one likes"
            self.check(name, answer, "overloaded")
            for c, r in open_ones:
                r.close()
                c.close()
            wait("followers to be gone", lambda: self.can_follow(path))

    def can_follow(self, path):
        c = self.main.connect()
        c.request("GET", path, headers={"Authorization": "Bearer " + self.main.token})
        r = c.getresponse()
        good = r.status == 200
        r.close()
        c.close()
        return good

    def calls(self):
        d = self.main
        running = busy(d, "/function/slow?how=sleep")
        for path, method, operation in self.operations():
            name = operation["operationId"]
            if path != "/function/{name}":
                continue
            self.check(name, d.send(method, "/function/f"))
            self.check(name, d.send(method, "/function/none"), "function_not_found")
            self.check(name, d.raw(f"{method} /function/f HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), "bad_request")
            self.check(name, d.send(method, "/function/quick", b"x" * 2000), "body_too_large")
            self.check(name, d.send(method, "/function/f", headers={"X-A": "a" * 40000}), "headers_too_large")
            self.check(name, d.send(method, "/function/slow"), "overloaded")
            self.check(name, d.send(method, "/function/quick?how=sleep"), "timeout")
            self.check(name, d.send(method, "/function/f?how=fail"), "function_failed")
            self.check(name, d.send(method, "/function/f?how=crash"), "function_crashed")
            self.check(name, d.send(method, "/function/f?how=memory"), "memory_exceeded")
            self.check(name, d.send(method, "/function/f?how=reboot"), "forbidden_syscall")
            self.check(name, d.send(method, "/function/broken"), "init_failed")
            self.check(name, d.raw(f"{method} /function/f HTTP/1.1\r\nHost: a\r\n"), "request_timeout")
            self.check(name, d.send(method, "/function/f", b"x" * 1500000), "storage_full")
        running.close()

    def full_disk(self):
        """With all of the disk taken."""
        d = Daemon(tmpfs="8m")
        d.deploy("f", CALLED, "?memory=16M")
        d.deploy("f", CALLED + "/* 2 */")
        with open(d.state + "/filler", "wb", buffering=0) as filler:
            for size in (65536, 1):
                try:
                    while True:
                        filler.write(b"\1" * size)
                except OSError:
                    pass
        self.check("deploy", d.send("PUT", "/v1/functions/g", CALLED, {"Content-Type": "text/x-c"}), "storage_full")
        self.check("restore", d.send("PUT", "/v1/functions/h/versions/1", self.saved, GZIP), "storage_full")
        self.check("change", d.send("PATCH", "/v1/functions/f", '{"timeout": "3s"}'), "storage_full")
        self.check("rollback", d.send("POST", "/v1/functions/f/rollback", '{"version": 1}'), "storage_full")
        d.end()

    def draining(self):
        d = Daemon("--drain-time=60s")
        d.deploy("f", CALLED, "?memory=16M&timeout=60s")
        wanted = [(p, m, o) for p, m, o in self.operations()
                  if any("draining" in r.get("x-codes", []) for r in o["responses"].values()) or o["operationId"] == "ready"]
        connections = {}
        for _, _, operation in wanted:
            c = connections[operation["operationId"]] = d.connect()
            c.request("GET", "/healthz")
            c.getresponse().read()
        running = busy(d, "/function/f?how=sleep")
        # a request that has begun keeps its connection while the daemon drains
        for path, method, operation in wanted:
            name = operation["operationId"]
            sample = (list(self.samples().get(name, (method, "/function/f"))) + [None, None])[:4]
            c = connections[name]
            head = f"{method} {sample[1]} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {d.token}\r\n"
            for field, value in (sample[3] or {}).items():
                head += f"{field}: {value}\r\n"
            body = sample[2] or ""
            c.sock.sendall((head + f"Content-Length: {len(body)}\r\n").encode())
            connections[name] = (c, body, method)
        d.process.send_signal(signal.SIGTERM)
        wait("draining", lambda: "running calls may finish" in open(d.log.name, encoding="utf-8").read())
        for path, method, operation in wanted:
            name = operation["operationId"]
            c, body, method = connections[name]
            c.sock.sendall(b"\r\n" + (body if isinstance(body, bytes) else body.encode()))
            r = http.client.HTTPResponse(c.sock, method=method)
            r.begin()
            answer = Answer(r.status, r.getheader("Content-Type"), r.read())
            self.check(name, answer, None if name == "ready" else "draining")
        running.close()
        d.end()


suite = Suite()
suite.successes()
suite.common()
suite.settings()
suite.deploys()
suite.restores()
suite.tune_failed()
suite.followers()
suite.calls()
suite.full_disk()
suite.draining()
suite.main.end()
suite.complete()
print(f"{len(suite.seen)} kinds of answers, of {len(list(suite.operations()))} operations")
