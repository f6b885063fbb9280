"""Attacks by an interpreter: each tries one thing. It returns what it gained, or nothing where the
walls held. Some are killed before: test_interpreter.c knows the expected end of each."""
import ctypes
import errno
import gc
import marshal
import mmap
import os
import py_compile
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading

libc = ctypes.CDLL(None, use_errno=True)
HOST_FILES = ["/etc/shadow", "/etc/machine-id", "/etc/hostname", "/root/.bashrc",
              "/var/lib/hearth/token", "/proc/self/mem", "/proc/self/environ", "/proc/1/environ",
              "/proc/self/maps", "/proc/self/exe", "/sys/fs/cgroup", "/dev/mem", "/dev/kmsg",
              "/usr/bin/python3", "/bin/sh"]
at_import = []


def while_imported():
    """The same, before the last filter is loaded, and in what becomes a template."""
    for name, attempt in (("fork", os.fork), ("socket", socket.socket),
                          ("exec", lambda: os.execv("/bin/sh", ["sh"])),
                          ("thread", threading.Thread(target=print).start),
                          ("shadow", lambda: open("/etc/shadow").read())):
        try:
            at_import.append(name + " " + str(attempt()))
        except (OSError, RuntimeError):
            pass
    if libc.fork() != -1:
        at_import.append("libc.fork")


while_imported()


def fails(attempt, *errors):
    """None where it raises one of these, else what it returned."""
    try:
        return str(attempt())
    except errors or (OSError,):
        return None


def imported(call):
    return ", ".join(at_import)


def fork(call):
    return fails(os.fork)


def forkpty(call):
    return fails(os.forkpty)


def libc_fork(call):
    return "a process" if libc.fork() != -1 or libc.vfork() != -1 else None


def execute(call):
    return fails(lambda: os.execv("/bin/sh", ["sh", "-c", "id"]))


def execute_interpreter(call):
    return fails(lambda: os.execv(sys.executable or "/usr/bin/python3", ["python3", "-c", "1"]))


def run(call):
    return fails(lambda: subprocess.run(["id"], capture_output=True))


def spawn(call):
    return fails(lambda: os.posix_spawn("/bin/sh", ["sh"], {}))


def system(call):
    return None if os.system("id > /tmp/x") != 0 else "a shell"


def processes(call):
    import multiprocessing
    process = multiprocessing.get_context("fork").Process(target=print)
    return fails(process.start)


def threads(call):
    threading.stack_size(65536)
    return fails(threading.Thread(target=print).start, RuntimeError)


def tcp(call):
    return fails(lambda: socket.create_connection(("127.0.0.1", 80), 1))


def udp(call):
    return fails(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))


def unix(call):
    return fails(lambda: socket.socket(socket.AF_UNIX))


def raw(call):
    return fails(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))


def socket_of_descriptor(call):
    for fd in range(3, 140):
        try:
            s = socket.socket(fileno=fd)
            s.send(b"x")
            return f"a message on {fd}"
        except OSError:
            pass
    return None


def host_files(call):
    gained = []
    for path in HOST_FILES:
        try:
            with open(path, "rb") as file:
                gained.append(path + " " + repr(file.read(8)))
        except OSError:
            pass
    return ", ".join(gained)


def host_folders(call):
    gained = []
    for path in ("/proc", "/root", "/home", "/var", "/sys", "/etc/ssh", call.query("state")):
        try:
            if os.listdir(path):
                gained.append(path)
        except OSError:
            pass
    return ", ".join(gained)


def other_functions(call):
    """Looks for a neighbour's file everywhere, and above its own folder."""
    for top in ("/function/..", "/function/../..", "/fd/63/..", "/fd/63/../../..", "/etc/function",
                call.query("state") + "/functions"):
        for folder, _, names in os.walk(top):
            for name in names:
                try:
                    with open(os.path.join(folder, name), "rb") as file:
                        if file.read(16) == b"neighbour_secret":
                            return folder
                except OSError:
                    pass
    try:
        above = os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=63)
        if "functions" in os.listdir(above) or "source" in os.listdir(above):
            return "the folder above"
    except OSError:
        pass
    return None


def write_bytecode(call):
    gained = []
    for target in ("/function/__pycache__/x.pyc", "/usr/lib/python3.11/__pycache__/x.pyc",
                   "/usr/lib/hearth-python/__pycache__/hearth.cpython-311.pyc",
                   "/usr/lib/python3/dist-packages/x.pyc", "/x.pyc"):
        try:
            py_compile.compile("/function/function.py", target, doraise=True)
            gained.append(target)
        except OSError:
            pass
    return ", ".join(gained)


def change_source(call):
    gained = []
    for name, attempt in (("write", lambda: open("/function/function.py", "a")),
                          ("remove", lambda: os.remove("/function/function.py")),
                          ("rename", lambda: os.rename("/function/function.py", "/function/y.py")),
                          ("chmod", lambda: os.chmod("/function/function.py", 0o777)),
                          ("link", lambda: os.symlink("/etc/shadow", "/function/z")),
                          ("rmtree", lambda: shutil.rmtree("/usr/lib/python3.11/json")),
                          ("truncate", lambda: os.truncate("/function/function.py", 0))):
        if fails(attempt) is not None:
            gained.append(name)
    return ", ".join(gained)


def writable_code(call):
    libc.mmap.restype = ctypes.c_void_p
    at = libc.mmap(None, 4096, 7, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    return None if at == ctypes.c_void_p(-1).value else "writable code"


def written_code(call):
    area = mmap.mmap(-1, 4096)
    at = ctypes.addressof(ctypes.c_char.from_buffer(area))
    return "written code" if libc.mprotect(ctypes.c_void_p(at), 4096, 5) == 0 else None


def code_of_ctypes(call):
    """A callback needs a piece of code: libffi has it in a mapping of a file, or not at all."""
    try:
        ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 7)()
    except (MemoryError, OSError):
        pass
    return None


def memory_file(call):
    return fails(lambda: os.memfd_create("x"))


def shared_memory(call):
    from multiprocessing import shared_memory as shm
    return fails(lambda: shm.SharedMemory(create=True, size=4096))


def signals(call):
    gained = []
    for pid in [p for p in range(1, 40) if p != os.getpid()] + [-1, 0]:
        for number in (signal.SIGTERM, signal.SIGSTOP):
            if pid in (-1, 0) and number == signal.SIGTERM:
                continue
            try:
                os.kill(pid, number if pid > 0 else 0)
                if pid > 0:
                    gained.append(str(pid))
            except OSError:
                pass
    return ", ".join(gained)


def become_root(call):
    gained = []
    for name, attempt in (("setuid", lambda: os.setuid(0)), ("setgid", lambda: os.setgid(0)),
                          ("setgroups", lambda: os.setgroups([0])), ("nice", lambda: os.nice(-5)),
                          ("seteuid", lambda: os.seteuid(0))):
        if fails(attempt) is not None:
            gained.append(name)
    return ", ".join(gained) if os.getuid() != 0 else "it is root"


def limits(call):
    gained = []
    for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE):
        soft, hard = resource.getrlimit(limit)
        if hard == resource.RLIM_INFINITY:
            continue
        if fails(lambda: resource.setrlimit(limit, (hard + 1, hard + 1)), OSError,
                 ValueError) is not None:
            gained.append(str(limit))
    return ", ".join(gained)


def environment(call):
    allowed = {"HOME", "LC_CTYPE"}
    return ", ".join(set(os.environ) - allowed)


def host_name(call):
    return os.uname().nodename if os.uname().nodename != "hearth" else None


def handler_of_sigsys(call):
    """Without it, refused calls would be deadly; with one of its own nothing is gained."""
    try:
        signal.signal(signal.SIGSYS, lambda *_: None)
    except (OSError, ValueError):
        return None
    return "a socket" if libc.socket(2, 1, 0) >= 0 else None


def namespaces(call):
    return "a namespace" if libc.unshare(0x10000000) == 0 else None


def ptrace(call):
    return "tracing" if libc.ptrace(0, 0, 0, 0) == 0 else None


def mount(call):
    return "a mount" if libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None) == 0 else None


def chroot(call):
    return fails(lambda: os.chroot("/tmp"))


def own_filter(call):
    return "a filter" if libc.syscall(317, 1, 0, 0) == 0 else None


def keys(call):
    return "a key" if libc.syscall(248, b"user", b"k", b"x", 1, -3) > 0 else None


def trace_events(call):
    return "an event" if libc.syscall(298, 0, 0, -1, -1, 0) >= 0 else None


def ring_of_requests(call):
    return "a ring" if libc.syscall(425, 8, ctypes.create_string_buffer(256)) >= 0 else None


def memory_past_python(call):
    """Past the allocators that raise MemoryError: the kernel's limit holds."""
    libc.malloc.restype = ctypes.c_void_p
    while True:
        at = libc.malloc(1 << 20)
        if at is None:
            return None
        ctypes.memset(at, 1, 1 << 20)


def wild_pointer(call):
    return str(ctypes.string_at(8, 8))


def deep_recursion(call):
    sys.setrecursionlimit(1 << 30)

    def deeper(n):
        return sorted([1, 2], key=lambda _: deeper(n + 1))
    return str(deeper(0))


def broken_bytecode(call):
    code = marshal.dumps(compile("x = 1\n" * 50, "x", "exec"))
    for i in range(0, len(code), 3):
        try:
            exec(marshal.loads(code[:i] + b"\xff" + code[i + 1:]), {})
        except Exception:
            pass
    return None


def close_everything(call):
    os.closerange(3, 256)
    return None


class Endless:
    def __del__(self):
        while True:
            pass


def finalizer(call):
    """Runs between calls, where no timeout is: it is ended for its use of CPU time."""
    first, second = Endless(), Endless()
    first.other, second.other = second, first
    return None


def handle(call):
    if call.query("well"):
        return "well"
    gained = globals()[call.query("attack")](call)
    return f"ESCAPED: {gained}\n" if gained else "held\n"
