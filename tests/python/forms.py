"""Does what the path says."""
import asyncio
import gc
import os
import random
import secrets
import sys
import threading
import time
import uuid
import weakref

import hearth


class Refused(Exception):
    pass


class Node:
    pass


lock = threading.Lock()
at_fork = []


def in_child():
    lock.release()
    at_fork.append("child")


os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=in_child)
calls = 0
kept = []
hooks = 0
last_view = None
nodes = []


@hearth.after_fork
def opened():
    global hooks
    hooks += 1


def pieces():
    yield "one "
    yield b"two "
    yield memoryview(b"three ")
    yield {"four": 4}


def handle(call):
    global calls, last_view
    calls += 1
    what = call.path.strip("/")
    if what == "request":
        return {
            "method": call.method, "path": call.path, "a": call.query("a"), "b": call.query("b"),
            "none": call.query("none"), "query_string": call.query_string,
            "header": call.header("x-some"), "missing": call.header("x-missing"),
            "headers": call.headers, "body": str(call.body, "utf-8"), "id": call.id,
            "env": call.env("WORD"), "environ": os.environ.get("WORD"),
            "limit": call.memory_limit, "used": call.memory_used() > 0,
            "deadline": 0 < call.deadline_ms() <= 5000,
        }
    if what == "response":
        call.status = 201
        call.set_header("X-One", "1")
        call.set_header("Content-Type", "text/x-own")
        call.write("a")
        call.write(b"b")
        call.write(bytearray(b"c"))
        return "d\u00fc"
    if what == "none":
        return None
    if what == "bytes":
        return b"\x01\x02"
    if what == "dict":
        return {"a": [1, None, "\u00fc"]}
    if what == "list":
        return [1, 2]
    if what == "pieces":
        return pieces()
    if what == "number":
        return 42
    if what == "read":
        return call.read(3) + b"|" + call.read(2) + b"|" + call.read()
    if what == "keep":  # a view of the body that outlives its call
        last_view = call.body[1:]
        return str(len(last_view))
    if what == "kept":
        return bytes(last_view[:8])
    if what == "sum":
        return str(sum(call.body[::65536])) + " " + str(len(call.body))
    if what == "raise":
        raise Refused("a secret message")
    if what == "exit":
        sys.exit(3)
    if what == "late":
        call.write("x" * 200000)
        raise Refused("late")
    if what == "log":
        print("printed")
        print("to stderr", file=sys.stderr)
        call.log("logged", level="warning")
        return None
    if what == "bad":
        errors = []
        for attempt in (lambda: call.set_header("X\n", "y"), lambda: call.set_header("X", "a\r\nb"),
                        lambda: call.set_header("X", 5), lambda: setattr(call, "status", 99),
                        lambda: call.write(5), lambda: call.log("x", level="loud"),
                        lambda: call.set_header("Connection", "close")):
            try:
                attempt()
                errors.append("none")
            except (TypeError, ValueError) as e:
                errors.append(type(e).__name__)
        return " ".join(errors)
    if what == "ended":
        kept.append(call)
        return None
    if what == "use-ended":
        try:
            kept[-1].write("x")
        except RuntimeError as e:
            return str(e)
    if what == "token":
        time.sleep(0.05)
        return f"{random.random()} {secrets.token_hex(8)} {uuid.uuid4()} {os.urandom(4).hex()}"
    if what == "hooks":
        return str(hooks)
    if what == "fill":
        while True:
            kept.append(bytearray(1 << 20))
    if what == "fill-small":
        while True:
            kept.append([1, 2])
    if what == "use":
        return str(len(bytearray(int(call.query("bytes")))))
    if what == "cycle":  # garbage that only the collector can free
        first, second = Node(), Node()
        first.other, second.other = second, first
        nodes[:] = [weakref.ref(first)]
        for _ in range(int(call.query("more") or 0)):
            cycle = []
            cycle.append(cycle)
        return str(nodes[0]() is not None) + " " + str(gc.isenabled())
    if what == "alive":
        return str(nodes[0]() is not None)
    if what == "count":
        return str(calls)
    if what == "sleep":
        time.sleep(float(call.query("s")))
        return "slept"
    if what == "released":  # a view that was given up does not take the body with it
        with call.body:
            pass
        hold = [bytes(100) for _ in range(1000)]
        return call.read(4) + b" " + bytes(call.body)[:4] + str(len(hold)).encode()
    if what == "read-then-body":
        call.read(2)
        try:
            return call.body
        except ValueError as e:
            return str(e)
    if what == "fill-middle":
        filled = []
        while True:
            filled.append(bytearray(10000))
    if what == "cycles-in-call":  # more than the limit, but never at a time
        for _ in range(int(call.query("n"))):
            node = Node()
            node.me = node
            node.data = bytearray(10000)
        return "done"
    if what == "caught":
        try:
            bytearray(1 << 30)
        except MemoryError:
            return "caught"
    if what == "own-memory-error":
        raise MemoryError("my own")
    if what == "long-message":
        raise ValueError("x" * 20_000_000)
    if what == "asyncio":
        async def later():
            await asyncio.sleep(0.001)
            return await asyncio.gather(*[asyncio.to_thread(str, 1)] if call.query("thread") else
                                        [asyncio.sleep(0, 1)])
        return asyncio.run(later())
    if what == "at-fork":
        return " ".join(at_fork)
    if what == "leak":
        kept.append(Refused("x" * 1000))
        return None
    if what == "written":  # below its own files nothing can be written
        found = []
        for folder in ("/function", "/usr/lib/python3.11", "/"):
            try:
                with open(folder + "/x", "w"):
                    found.append(folder)
            except OSError:
                pass
        return f"{found} {os.path.exists('/function/__pycache__')} {sys.dont_write_bytecode}"
    return "ok"
