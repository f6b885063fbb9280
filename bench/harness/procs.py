"""Processes: starting them so that they cannot outlive the run, and what they have used.

A server's use is the sum over its process and all descendants of what each has run and of what each has
collected from children that ended. So a worker that ends in a measurement moves from one term to the other.
"""
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
LIBC = ctypes.CDLL(None, use_errno=True)


def end_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


@dataclass
class Use:
    cpu_ns: int = 0
    ended_ns: int = 0  # the part of cpu_ns that came from children that ended
    cpu_by_program: dict = field(default_factory=dict)
    switches: dict = field(default_factory=dict)  # by process


class Difference(NamedTuple):
    """What was used between two moments; switches is None where ended children took theirs along."""

    cpu_ns: int
    by_program: dict
    switches: int | None


class Stat:
    """The fields of /proc/PID/stat that are needed here."""

    def __init__(self, pid):
        text = Path(f"/proc/{pid}/stat").read_text()
        fields = text[text.rindex(")") + 2:].split()
        self.program = text[text.index("(") + 1:text.rindex(")")]
        self.state = fields[0]
        self.parent = int(fields[1])
        self.own_ns = (int(fields[11]) + int(fields[12])) * TICK_NS
        self.ended_ns = (int(fields[13]) + int(fields[14])) * TICK_NS


def descendants(root):
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, ValueError):
                children.setdefault(Stat(entry).parent, []).append(int(entry))
    found, todo = [], [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def read_threads(pid):
    """Nanoseconds run and context switches of the threads that a process has now."""
    cpu_ns = switches = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            base = f"/proc/{pid}/task/{thread}"
            cpu_ns += int(Path(f"{base}/schedstat").read_text().split()[0])
            for line in Path(f"{base}/status").read_text().splitlines():
                if "ctxt_switches:" in line:
                    switches += int(line.split()[1])
    return cpu_ns, switches


def use_of(roots):
    """The use so far of these processes and all their descendants."""
    use = Use()
    for pid in [p for root in roots for p in [root, *descendants(root)]]:
        with contextlib.suppress(OSError, ValueError):
            stat = Stat(pid)
            threads_ns, switches = read_threads(pid)
            # Ticks are coarse but count threads that ended; the threads' own counters are exact.
            own_ns = max(threads_ns, stat.own_ns)
            use.cpu_ns += own_ns + stat.ended_ns
            use.ended_ns += stat.ended_ns
            by_program = use.cpu_by_program
            by_program[stat.program] = by_program.get(stat.program, 0) + own_ns
            use.switches[pid] = switches
    return use


def use_between(before, after):
    cpu_ns = after.cpu_ns - before.cpu_ns
    ended_ns = after.ended_ns - before.ended_ns
    by_program = {name: ns - before.cpu_by_program.get(name, 0) for name, ns in after.cpu_by_program.items()}
    if ended_ns:
        by_program["(ended)"] = ended_ns
    switches = sum(n - before.switches.get(pid, 0) for pid, n in after.switches.items())
    return Difference(cpu_ns, by_program, None if ended_ns > cpu_ns * 0.05 else switches)


def wait_until(pid, deadline):
    """Waits without waking up in between; whether it has ended. Leaves it to be collected."""
    fd = os.pidfd_open(pid)
    try:
        waiting = select.poll()
        waiting.register(fd, select.POLLIN)
        return bool(waiting.poll(max(0, deadline - time.monotonic()) * 1000))
    finally:
        os.close(fd)


class Children:
    """All processes of the run. After close() none of them nor of their descendants is left."""

    def __init__(self):
        self.running = []
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans come to us

    def start(self, argv, log=None, stdin=subprocess.DEVNULL, **more):
        """Output goes to the file log, or to a pipe where there is none."""
        out = open(log, "ab") if log else subprocess.PIPE
        try:
            child = subprocess.Popen(
                [str(a) for a in argv], stdin=stdin, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True, preexec_fn=end_with_parent, **more)
        finally:
            if log:
                out.close()
        self.running.append(child)
        return child

    def collect(self, child):
        """Waits for its end; its resource use."""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        self.running.remove(child)
        return usage

    def stop(self, child, grace=10):
        """Asks it to end, then ends it and everything below it."""
        if child not in self.running:
            return
        family = []
        if child.poll() is None:
            family = descendants(child.pid)
            child.terminate()
            if not wait_until(child.pid, time.monotonic() + grace):
                family = descendants(child.pid)
                child.kill()
        child.wait()
        self.running.remove(child)
        self.kill(set(family) & set(descendants(os.getpid())))

    def kill(self, pids):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def close(self):
        for child in list(reversed(self.running)):
            self.stop(child)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            self.kill(descendants(os.getpid()))
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if not descendants(os.getpid()):
                return
            time.sleep(0.02)
