"""The rounds: in each, every cell, and at each cell every server, one right after the other."""
import sys
import time

from . import host, load, plan

WARM_UP_SECONDS = 0.2


class Results:
    def __init__(self):
        self.samples = {}   # (server, cell): {round: sample}
        self.failures = {}  # (server, cell): the last reason
        self.rounds = 0
        self.complete = False

    def of(self, server, cell):
        return self.samples.get((server, cell), {})

    def add(self, server, cell, round_, sample):
        self.samples.setdefault((server, cell), {})[round_] = sample


class Progress:
    """One line that is rewritten on a terminal; elsewhere one line a round."""

    def __init__(self, rounds, steps):
        self.rounds, self.steps, self.step = rounds, steps, 0
        self.terminal = sys.stderr.isatty()

    def begin(self, round_):
        self.step = 0
        if not self.terminal:
            print(f"round {round_ + 1} of {self.rounds}", file=sys.stderr, flush=True)

    def show(self, round_, server, cell):
        self.step += 1
        if self.terminal:
            line = f"round {round_ + 1} of {self.rounds}, {self.step} of {self.steps}: {cell}: {server}"
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    def end(self):
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def skipped(server, cell, quick):
    if server.missing or cell.workload in server.unfit:
        return True
    return quick and cell.workload in plan.QUICK_SKIPS.get(server.name, ())


def steps_of(servers, options, round_):
    """What one round measures. Who comes first changes from round to round."""
    turn = round_ % len(servers)
    order = servers[turn:] + servers[:turn]
    return [(server, cell) for cell in options.cells for server in order if not skipped(server, cell, options.quick)]


def measure_one(children, server, cell, seconds):
    workload = plan.WORKLOADS[cell.workload]
    with host.kept_awake(cell.awake):
        load.warm_up(children, server.url(workload), workload, cell.connections, WARM_UP_SECONDS)
        return load.measure(children, server, workload, cell.connections, seconds)


def run_round(children, servers, options, results, progress, deadline):
    """Whether there was time for all of it."""
    steps = steps_of(servers, options, results.rounds)
    progress.begin(results.rounds)
    for server, cell in steps:
        if time.monotonic() + options.duration + 1 > deadline:
            return False
        if server.missing:
            continue
        progress.show(results.rounds, server.name, cell)
        try:
            sample = measure_one(children, server, cell, options.duration)
            results.add(server.name, cell, results.rounds, sample)
        except load.LoadFailed as e:
            server.missing = server.ended()
            results.failures[server.name, cell] = server.missing or str(e)
    return True


def run(children, servers, options, results, deadline):
    progress = Progress(options.rounds, len(steps_of(servers, options, 0)))
    longest = 0
    try:
        for _ in range(options.rounds):
            start = time.monotonic()
            if start + longest > deadline or not run_round(children, servers, options, results, progress, deadline):
                return
            results.rounds += 1
            longest = max(longest, time.monotonic() - start)
        results.complete = True
    finally:
        progress.end()
