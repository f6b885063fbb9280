"""What is measured: workloads, cells, and the figures that Hearth is to reach. Data only."""
from dataclasses import dataclass

REFERENCE = "inprocess"  # (a): what the ratios are to


@dataclass(frozen=True)
class Workload:
    name: str
    path: str
    body_bytes: int


@dataclass(frozen=True)
class Cell:
    """One point of measurement; each server is measured at it once a round."""

    workload: str
    connections: int
    awake: bool = False

    def __str__(self):
        plural = "" if self.connections == 1 else "s"
        awake = ", cores kept awake" if self.awake else ""
        return f"{self.workload}, {self.connections} connection{plural}{awake}"


@dataclass(frozen=True)
class Target:
    """Hearth's measure divided by that of another server, in the same rounds."""

    cell: Cell
    metric: str
    bound: float
    at_least: bool
    against: str = REFERENCE

    def reached(self, ratio):
        return ratio >= self.bound if self.at_least else ratio <= self.bound


WORKLOADS = {
    w.name: w
    for w in (
        Workload("hello", "/function/hello", 0),
        Workload("echo1k", "/function/echo", 1024),
        Workload("echo64k", "/function/echo", 65536),
    )
}

CONNECTIONS = (1, 16, 64, 256)
MAX_CONNECTIONS = 2000

# The cells that the targets are about.
QUICK_CELLS = (
    Cell("hello", 64),
    Cell("hello", 1),
    Cell("hello", 1, awake=True),
    Cell("echo1k", 16),
    Cell("echo64k", 16),
)
QUICK_ROUNDS = 3
QUICK_BUILD_SECONDS = 60
QUICK_SECONDS = 108  # with building; the rest of the two minutes is for stopping and reporting
QUICK_SKIPS = {"cgi": ("echo1k", "echo64k"), "workerd": ("echo64k",)}

TARGETS = (
    Target(Cell("hello", 64), "cpu_us", 1.35, at_least=False),
    Target(Cell("hello", 64), "rps", 0.90, at_least=True),
    Target(Cell("hello", 64), "rps", 3.0, at_least=True, against="fastcgi"),
    Target(Cell("hello", 64), "p99_us", 1.5, at_least=False),
    Target(Cell("hello", 1), "p50_us", 1.25, at_least=False),
    Target(Cell("hello", 1, awake=True), "p50_us", 1.6, at_least=False),
    Target(Cell("hello", 1, awake=True), "cpu_us", 2.2, at_least=False),
    Target(Cell("echo1k", 16), "rps", 0.85, at_least=True),
    Target(Cell("echo1k", 16), "cpu_us", 1.5, at_least=False),
    Target(Cell("echo64k", 16), "rps", 0.60, at_least=True),
)

METRICS = {
    "rps": "calls/s",
    "p50_us": "p50 µs",
    "p99_us": "p99 µs",
    "p999_us": "p99.9 µs",
    "cpu_us": "CPU µs",
    "switches": "switches",
    "wrk_core": "wrk core",
    "other_core": "other core",
}


def cells_of(workloads, connections, awake):
    cells = []
    for workload in workloads:
        for count in connections:
            cells.append(Cell(workload, count))
            if count == 1 and awake:
                cells.append(Cell(workload, count, awake=True))
    return cells
