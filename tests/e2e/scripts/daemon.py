"""A daemon of a test's own, and requests to it. As HEARTH_PREFIX of the environment."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE = int(os.environ.get("HEARTH_PATIENCE", "1"))


def wait(what, condition):
    end = time.monotonic() + 30 * PATIENCE
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"in vain: {what}")
        time.sleep(0.02)


class Daemon:
    def __init__(self, *options, tmpfs=None):
        self.state = tempfile.mkdtemp(prefix="hearth-openapi-")
        self.tmpfs = tmpfs
        if tmpfs:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={tmpfs}", "hearth", self.state], check=True)
        self.log = tempfile.NamedTemporaryFile(prefix="hearth-openapi-log-")
        self.process = subprocess.Popen(
            [os.environ["HEARTH_PREFIX"] + "/bin/hearthd", "--listen", "127.0.0.1:0", "--state", self.state, *options],
            stderr=self.log, stdout=self.log)
        wait("ready", lambda: self.process.poll() is not None or self.port())
        self.token = open(self.state + "/token", encoding="ascii").read().strip()

    def port(self):
        found = re.search(r"ready on http://127.0.0.1:(\d+)", open(self.log.name, encoding="utf-8").read())
        return int(found.group(1)) if found else None

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port(), timeout=60)

    def send(self, method, path, body=None, headers=None, connection=None):
        c = connection or self.connect()
        fields = {"Authorization": "Bearer " + self.token}
        fields.update(headers or {})
        try:
            c.request(method, path, body, fields)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused before it was read
        r = c.getresponse()
        answer = Answer(r.status, r.getheader("Content-Type"), r.read())
        if connection is None:
            c.close()
        return answer

    def raw(self, text):
        s = socket.create_connection(("127.0.0.1", self.port()), timeout=60)
        s.sendall(text.encode())
        r = http.client.HTTPResponse(s, method=text.split(" ", 1)[0])
        r.begin()
        return Answer(r.status, r.getheader("Content-Type"), r.read())

    def deploy(self, name, source, query=""):
        answer = self.send("PUT", f"/v1/functions/{name}{query}", source, {"Content-Type": "text/x-c"})
        assert answer.status in (200, 201), answer.body
        return answer

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60 * PATIENCE)
        if self.tmpfs:
            subprocess.run(["umount", "-l", self.state], check=True)
        shutil.rmtree(self.state, ignore_errors=True)


class Answer:
    def __init__(self, status, type, body):
        self.status, self.type, self.body = status, (type or "").split(";")[0], body

    def code(self):
        return json.loads(self.body)["code"] if self.type == "application/problem+json" and self.body else None
