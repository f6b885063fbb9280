"""One measurement: wrk against one server, and what both used meanwhile."""
import json
import os
import signal
import time
from pathlib import Path

from . import host, procs

SCRIPT = Path(__file__).resolve().parents[1] / "wrk.lua"
CALL_TIMEOUT = "5s"


class LoadFailed(Exception):
    pass


def wrk_command(url, workload, connections, seconds):
    return [host.find_program("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", CALL_TIMEOUT,
            "-s", SCRIPT, url, "--", workload.body_bytes]


def finish(children, child, limit):
    """Lets wrk end, and ends it where it does not; its output and resource use."""
    if not procs.wait_until(child.pid, time.monotonic() + limit):
        child.kill()
    usage = children.collect(child)
    with child.stdout:
        return child.stdout.read().decode(errors="replace"), usage


def warm_up(children, url, workload, connections, seconds):
    """A short run whose results do not count: connections, caches, instances."""
    child = children.start(wrk_command(url, workload, connections, 1))
    if not procs.wait_until(child.pid, time.monotonic() + seconds):
        child.send_signal(signal.SIGINT)
    finish(children, child, 10)


def parse(output):
    for line in output.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    last = output.strip().splitlines()[-1:] or ["wrk said nothing"]
    raise LoadFailed(last[0])


def measure(children, server, workload, connections, seconds):
    command = wrk_command(server.url(workload), workload, connections, seconds)
    before, busy, start = procs.use_of(server.roots), host.busy_seconds(), time.monotonic()
    output, usage = finish(children, children.start(command), seconds + 15)
    elapsed, busy = time.monotonic() - start, host.busy_seconds() - busy
    use = procs.use_between(before, procs.use_of(server.roots))
    wrk_seconds = usage.ru_utime + usage.ru_stime
    if server.loses_children:
        # The whole machine's time without wrk's is nearer to the truth than what can be seen of its processes.
        use = procs.Difference(max(use.cpu_ns, int((busy - wrk_seconds) * 1e9)), use.by_program, None)
    return sample(parse(output), use, wrk_seconds, elapsed, busy)


def sample(result, use, wrk_seconds, elapsed, busy):
    calls = result["requests"]
    errors = dict(result["errors"])
    if calls == 0:
        raise LoadFailed(f"no answer in {elapsed:.0f} s")
    return {
        "calls": calls,
        "rps": calls / (result["duration_us"] / 1e6),
        "p50_us": result["p50_us"],
        "p99_us": result["p99_us"],
        "p999_us": result["p999_us"],
        "cpu_us": use.cpu_ns / 1e3 / calls,
        "cpu_us_by_program": {name: ns / 1e3 / calls for name, ns in sorted(use.by_program.items()) if ns > 0},
        "switches": None if use.switches is None else use.switches / calls,
        "wrk_core": wrk_seconds / elapsed,
        "other_core": max(0.0, (busy - wrk_seconds - use.cpu_ns / 1e9) / elapsed),
        "bytes_per_call": result["bytes"] / calls,
        "errors": errors,
        "error_count": sum(errors.values()),
        "load_average": os.getloadavg()[0],
    }
