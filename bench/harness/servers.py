"""Hearth and the references: how each is built, started and checked.

A server that cannot be had raises Missing with the reason; the run goes on without it.
"""
import os
import shutil
import socket
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from . import host, plan
from .build import Missing

BENCH = Path(__file__).resolve().parents[1]
START_SECONDS = 15
LLHTTP = "/usr/share/llhttp"
LLHTTP_INCLUDE = "/usr/share/include/llhttp"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def request(port, method, path, body=None, headers=None, timeout=10):
    """Status and body of one call."""
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def fill(template, target, **values):
    """Writes a configuration: @NAME@ in the template is values["name"]."""
    text = (BENCH / template).read_text()
    for name, value in values.items():
        text = text.replace(f"@{name.upper()}@", str(value))
    target.write_text(text)


def last_line(path):
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    return lines[-1] if lines else "it said nothing"


class Server:
    name = ""
    title = ""
    packages = ()
    workloads = tuple(plan.WORKLOADS)
    loses_children = False  # some of its processes end without anyone collecting their use

    def __init__(self, workshop, options):
        self.workshop = workshop
        self.options = options
        self.children = workshop.children
        self.port = free_port()
        self.folder = workshop.runtime / self.name
        self.log = workshop.logs / f"{self.name}.log"
        self.processes = []
        self.missing = None  # the reason, where it cannot be measured
        self.unfit = {}      # workload: why it cannot be measured here

    def build(self):
        """Makes its programs."""

    def launch(self):
        """Starts its processes."""

    def set_up(self):
        """What is to be done once it answers."""

    # -- for the run

    @property
    def roots(self):
        return [child.pid for child in self.processes]

    def url(self, workload):
        return f"http://127.0.0.1:{self.port}{workload.path}"

    def start(self):
        self.folder.mkdir()
        self.log.unlink(missing_ok=True)
        self.launch()
        self.wait_until_ready()
        self.set_up()
        self.check()

    def ended(self):
        """Why it no longer runs; None while it does."""
        for child in self.processes:
            if child.poll() is not None:
                return f"ended with status {child.returncode}: {last_line(self.log)}"
        return None

    def stop(self):
        for child in self.processes:
            self.children.stop(child)

    # -- for the subclasses

    def run(self, *argv, **more):
        child = self.children.start(argv, self.log, cwd=self.folder, **more)
        self.processes.append(child)
        return child

    def wait_for(self, condition, what):
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            reason = self.ended()
            if reason or time.monotonic() > deadline:
                raise Missing(reason or f"{what} did not come within {START_SECONDS} s: {last_line(self.log)}")
            time.sleep(0.02)

    def wait_until_ready(self):
        self.wait_for(lambda: self.answers("/function/hello"), "an answer")

    def answers(self, path):
        try:
            return request(self.port, "GET", path, timeout=2)[0] == 200
        except (OSError, HTTPException):
            return False

    def check(self):
        """wrk does not look into answers, so it is done here, once."""
        for workload in plan.WORKLOADS.values():
            if workload.name not in self.workloads:
                self.unfit[workload.name] = f"serves {', '.join(self.workloads)} only"
                continue
            reason = self.unfit.get(workload.name) or self.wrong_answer(workload)
            if reason:
                self.unfit[workload.name] = reason
        if "hello" in self.unfit:
            raise Missing(f"hello: {self.unfit['hello']}")

    def wrong_answer(self, workload):
        body = os.urandom(workload.body_bytes) if workload.body_bytes else None
        try:
            status, got = request(self.port, "POST" if body else "GET", workload.path, body)
        except (OSError, HTTPException) as e:
            return f"no answer: {e}"
        if status != 200:
            return f"answered {status}"
        return None if got == (body or b"hello, world") else f"a wrong body of {len(got)} bytes"


class InProcess(Server):
    name = "inprocess"
    title = "(a) the handlers inside one libuv + llhttp loop"
    packages = ("gcc", "libc6-dev", "libuv1-dev", "node-llhttp")

    def build(self):
        sources = [BENCH / "inprocess.c", *sorted(Path(LLHTTP).glob("*.c"))]
        self.program = self.workshop.compile(self.name, sources, ["-I", LLHTTP_INCLUDE, "-luv"])

    def launch(self):
        self.run(self.program, self.port)


class Nginx(Server):
    """Alone: a constant. The other servers behind nginx start from here."""

    name = "nginx"
    title = "(b) nginx, a constant"
    packages = ("nginx-light",)
    workloads = ("hello",)
    template = "nginx/constant.conf"

    def build(self):
        self.nginx = host.find_program("nginx")

    def values(self):
        return {}

    def launch(self):
        conf = self.folder / "nginx.conf"
        workers = min(4, len(os.sched_getaffinity(0)))
        fill(self.template, conf, port=self.port, dir=self.folder, workers=workers, **self.values())
        self.run(self.nginx, "-p", self.folder, "-c", conf, "-e", self.log)


class FastCgi(Nginx):
    name = "fastcgi"
    title = "(c) nginx, FastCGI program, threads, kept-alive connections"
    packages = ("gcc", "libc6-dev", "nginx-light", "libfcgi-dev")
    workloads = tuple(plan.WORKLOADS)
    template = "nginx/fastcgi.conf"
    kept = 128  # idle upstream connections of each nginx worker

    def build(self):
        super().build()
        self.program = self.workshop.compile(self.name, [BENCH / "fastcgi.c"], ["-pthread", "-lfcgi"])

    def values(self):
        return {"socket": self.folder / "socket", "kept": self.kept}

    def launch(self):
        most = max(cell.connections for cell in self.options.cells)
        workers = min(4, len(os.sched_getaffinity(0)))
        self.run(self.program, self.folder / "socket", most + workers * self.kept + 8)
        self.wait_for((self.folder / "socket").exists, "its socket")
        super().launch()


class Cgi(Nginx):
    name = "cgi"
    title = "(d) nginx, fcgiwrap, a CGI program per call"
    packages = ("gcc", "libc6-dev", "nginx-light", "fcgiwrap")
    workloads = tuple(plan.WORKLOADS)
    template = "nginx/cgi.conf"
    loses_children = True  # fcgiwrap ignores SIGCHLD

    def build(self):
        super().build()
        self.program = self.workshop.compile(self.name, [BENCH / "cgi.c"], [])

    def values(self):
        return {"socket": self.folder / "socket", "program": self.folder / "cgi"}

    def launch(self):
        shutil.copy(self.program, self.folder / "cgi")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.folder / "socket"))
            (self.folder / "socket").chmod(0o666)
            listener.listen(1024)
            # Each is our own child, unlike those that fcgiwrap -c would make: they would outlive it.
            for _ in range(4 * len(os.sched_getaffinity(0))):
                self.run(host.find_program("fcgiwrap"), stdin=listener)
        super().launch()


class Workerd(Server):
    name = "workerd"
    title = "(e) workerd, a JavaScript worker"

    def build(self):
        npm = host.find_program("npm")
        if not npm:
            raise Missing("npm is not installed")
        target = self.workshop.folder / "workerd"
        if not self.is_current(target):
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            shutil.copy(BENCH / "workerd/package.json", target)
            self.workshop.step([npm, "install", "--no-audit", "--no-fund", "--loglevel=error"], "npm", cwd=target)
        for file in (BENCH / "workerd").iterdir():
            shutil.copy(file, target)
        self.program = self.find_program(target)
        if not self.program:
            raise Missing("its package has no program for this machine")

    def is_current(self, target):
        wanted, present = BENCH / "workerd/package.json", target / "package.json"
        return self.find_program(target) and present.exists() and present.read_text() == wanted.read_text()

    def find_program(self, target):
        return next(iter(target.glob("node_modules/@cloudflare/workerd-*/bin/workerd")), None)

    def launch(self):
        config = self.workshop.folder / "workerd/workerd.capnp"
        self.run(self.program, "serve", config, f"--socket-addr=http=127.0.0.1:{self.port}")


class Hearth(Server):
    name = "hearth"
    title = "Hearth, every wall up"
    packages = ("meson", "ninja-build")
    arguments = ()
    functions = {
        "hello": "memory=32M",
        "echo": "memory=32M&max_body=2M",
    }

    def build(self):
        root, target = BENCH.parent, self.workshop.folder / "hearth"
        if not (root / "meson.build").exists():
            raise Missing("the checkout has no meson.build")
        if not (target / "build.ninja").exists():
            shutil.rmtree(target, ignore_errors=True)
            self.workshop.step(["meson", "setup", "--buildtype=release", f"--prefix={self.workshop.folder}/prefix",
                                target, root], "hearth-setup")
        self.workshop.step(["ninja", "-C", target], "hearth-build")
        self.workshop.step(["meson", "install", "-C", target, "--no-rebuild"], "hearth-install")
        self.program = self.workshop.folder / "prefix/bin/hearthd"
        if not self.program.exists():
            raise Missing("the build installs no hearthd")
        self.title += f", {self.options.threads} loop{'s' if self.options.threads > 1 else ''}"

    def launch(self):
        self.state = self.folder / "state"
        self.state.mkdir()
        self.run(self.program, "--listen", f"127.0.0.1:{self.port}", "--state", self.state,
                 "--threads", self.options.threads, *self.arguments)

    def wait_until_ready(self):
        self.wait_for(lambda: self.answers("/healthz"), "an answer of /healthz")
        self.wait_for((self.state / "token").exists, "its token")

    def set_up(self):
        for name, settings in self.functions.items():
            try:
                self.deploy(name, settings)
            except Missing as e:
                if name == "hello":
                    raise
                self.unfit |= {w.name: str(e) for w in plan.WORKLOADS.values() if w.path.endswith(f"/{name}")}

    def deploy(self, name, settings):
        headers = {
            "Authorization": "Bearer " + (self.state / "token").read_text().strip(),
            "Content-Type": "text/x-c",
        }
        source = (BENCH / "functions" / f"{name}.c").read_bytes()
        try:
            status, body = request(self.port, "PUT", f"/v1/functions/{name}?{settings}", source, headers, timeout=60)
        except (OSError, HTTPException) as e:
            raise Missing(f"deploying {name}: {e or type(e).__name__}") from e
        if status not in (200, 201):
            raise Missing(f"deploying {name}: {status} {body.decode(errors='replace')[:200]}")


SERVERS = {s.name: s for s in (Hearth, InProcess, Nginx, FastCgi, Cgi, Workerd)}
