"""The build folder and the steps that fill it."""
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

from . import procs

STEP_SECONDS = 900
CC = ["gcc", "-std=gnu17", "-O3", "-Wall", "-Wextra"]
RECIPES = Path(__file__).with_name("servers.py")


class Missing(Exception):
    """Something cannot be had; the text says why."""


class Workshop:
    """Where programs are built, logs are kept, and servers run."""

    def __init__(self, folder, children, deadline):
        self.folder = folder
        self.children = children
        self.deadline = deadline
        self.logs = folder / "log"
        self.logs.mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n")
        self.lock = self.take_lock()
        # The servers' own users must be able to pass through.
        self.runtime = Path(tempfile.mkdtemp(prefix="hearth-bench-"))
        self.runtime.chmod(0o755)

    def take_lock(self):
        lock = open(self.folder / "lock", "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Missing("another run is using this build folder") from None
        return lock

    def close(self):
        shutil.rmtree(self.runtime, ignore_errors=True)
        self.lock.close()

    def try_step(self, argv, name, cwd=None):
        """Runs a command to its end with its output in a log; whether it succeeded."""
        log = self.logs / f"{name}.log"
        log.unlink(missing_ok=True)
        limit = min(time.monotonic() + STEP_SECONDS, self.deadline)
        child = self.children.start(argv, log, cwd=cwd or self.folder,
                                    env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        if not procs.wait_until(child.pid, limit):
            self.children.stop(child)
            with open(log, "a", encoding="utf-8") as out:
                out.write("\nerror: stopped, it took too long\n")
            return False
        self.children.collect(child)
        return child.returncode == 0

    def step(self, argv, name, cwd=None):
        try:
            done = self.try_step(argv, name, cwd)
        except OSError as e:
            raise Missing(f"{name}: {e.strerror}: {argv[0]}") from e
        if not done:
            raise Missing(f"{name}: {reason(self.logs / f'{name}.log')} (log/{name}.log)")

    def compile(self, name, sources, flags):
        """Compiles and links a C program, where it is not there or older than what it is made of."""
        program = self.folder / name
        made_of = [*sources, RECIPES]
        if not program.exists() or program.stat().st_mtime < max(Path(s).stat().st_mtime for s in made_of):
            self.step([*CC, *sources, *flags, "-o", program], name + "-build")
        return program


def reason(log):
    """The line of a log that is likeliest to say what went wrong."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower()]
    return (telling or lines or ["it said nothing"])[0 if telling else -1][:160]
