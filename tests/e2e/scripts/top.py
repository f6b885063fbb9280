"""hearth top in terminals of several sizes: python3 top.py (as T, HEARTH_URL of the environment).

Keys are typed once what was asked for is on the screen; nothing is wider than the terminal.
"""
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time


class Terminal:
    def __init__(self, columns, rows):
        self.columns, self.text = columns, ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp("hearth", ["hearth", "--token-file", os.environ["T"], "top"])
        self.resize(columns, rows)

    def resize(self, columns, rows):
        self.columns = columns
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, pattern):
        end = time.monotonic() + 20 * int(os.environ.get("HEARTH_PATIENCE", "1"))
        self.text = ""
        while not re.search(pattern, self.text):
            if time.monotonic() > end:
                sys.exit(f"{pattern!r} did not appear: {self.text[-2000:]!r}")
            if select.select([self.fd], [], [], 0.2)[0]:
                self.text += os.read(self.fd, 65536).decode("utf-8", "replace")

    def screen(self):
        """The lines of the last whole drawing."""
        drawn = self.text.split("\033[H")[-1]
        plain = re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", drawn)
        return [line.rstrip("\r") for line in plain.split("\n")]

    def keys(self, keys):
        os.write(self.fd, keys.encode())

    def end(self):
        self.keys("q")
        os.set_blocking(self.fd, False)
        while True:  # what it draws last must be read, or it would wait for that
            try:
                os.read(self.fd, 65536)
            except BlockingIOError:
                select.select([self.fd], [], [], 0.2)
            except OSError:
                break
        _, status = os.waitpid(self.pid, 0)
        if status != 0:
            sys.exit(f"status {status}")


for columns, rows in ((80, 24), (40, 12), (120, 40)):
    t = Terminal(columns, rows)
    t.until("(?s)sorted by calls|by calls")
    t.until("(?s)CALLS/S.*beta.*\033\\[J")
    for line in t.screen():
        if len(line) > columns:
            sys.exit(f"wider than {columns}: {line!r}")
    t.keys("n")
    t.until("(?s)by name.*\033\\[J")
    t.until("(?s)\033\\[H.*\033\\[J")
    names = [line.split()[0] for line in t.screen() if re.match("(alpha|beta)", line)]
    if names != ["alpha", "beta"]:
        sys.exit(f"not sorted by name: {names}")
    t.keys(20 * "k")  # to the first row, whichever was marked
    t.until("(?s)\033\\[7malpha.*\033\\[J")
    t.keys("\033[B")
    t.until("(?s)\033\\[7mbeta.*\033\\[J")
    t.keys("\r")
    t.until("(?s)events.*deployed.*log.*Escape.*\033\\[J" if rows > 12 else "(?s)log.*Escape.*\033\\[J")
    for line in t.screen():
        if len(line) > columns:
            sys.exit(f"wider than {columns}: {line!r}")
    if len(t.screen()) > rows:
        sys.exit(f"higher than {rows}: {t.screen()}")
    t.resize(60, 20)
    t.until("(?s)Escape.*\033\\[J")
    t.keys("b")
    t.until("(?s)by name.*\033\\[J")
    t.end()
