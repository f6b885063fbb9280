"""The machine: its facts, its packages, and how its cores are kept from sleeping."""
import contextlib
import os
import platform
import shutil
import struct
from pathlib import Path

DMA_LATENCY = "/dev/cpu_dma_latency"
POLICY = Path("/usr/sbin/policy-rc.d")

# What has to be there for a package to count as installed.
PACKAGES = {
    "wrk": "wrk",
    "gcc": "gcc",
    "libc6-dev": "/usr/include/stdio.h",
    "libuv1-dev": "/usr/include/uv.h",
    "node-llhttp": "/usr/share/llhttp/llhttp.c",
    "nginx-light": "nginx",
    "libfcgi-dev": "/usr/include/fcgiapp.h",
    "fcgiwrap": "fcgiwrap",
    "meson": "meson",
    "ninja-build": "ninja",
}


def find_program(name):
    """Its path, or None; the system folders count for every user."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin")


def is_installed(package):
    sign = PACKAGES[package]
    return os.path.exists(sign) if sign.startswith("/") else find_program(sign) is not None


def missing_packages(names):
    return [name for name in dict.fromkeys(names) if not is_installed(name)]


@contextlib.contextmanager
def services_stay_off():
    """Debian starts a service when its package comes in, unless this file says no."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def install(names, step):
    """Installs Debian packages with step(argv, name); what fails shows in missing_packages() afterwards."""
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *names]
    with services_stay_off():
        if not step(command, "apt-install"):
            step(["apt-get", "update", "-q"], "apt-update")
            step(command, "apt-install")


def can_keep_awake():
    return os.access(DMA_LATENCY, os.W_OK)


@contextlib.contextmanager
def kept_awake(wanted):
    """While the descriptor is open with a latency of 0 in it, no core sleeps deeper than it can wake at once."""
    if not wanted:
        yield
        return
    fd = os.open(DMA_LATENCY, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, struct.pack("=i", 0))
        yield
    finally:
        os.close(fd)


def busy_seconds():
    """CPU time of all processes since the machine started, without what waits for a disk or another guest."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq = map(int, fields[:7])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def os_name():
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def facts():
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "system": os_name(),
        "awake_device": can_keep_awake(),
    }
