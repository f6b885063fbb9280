#!/usr/bin/env python3
"""echo.py FOLDER: echo servers on loopback: TCP on 127.0.0.1 and [::1], and on the unix socket
FOLDER/echo. Writes their ports to FOLDER/ports, as "V4 V6", and the number of connections that are
open to FOLDER/open."""
import os
import selectors
import socket
import sys

folder = sys.argv[1]
chosen = selectors.DefaultSelector()
clients = set()


def tell():
    with open(folder + "/open.new", "w", encoding="ascii") as file:
        file.write(str(len(clients)))
    os.rename(folder + "/open.new", folder + "/open")


def listen(family, address):
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.bind(address)
    sock.listen(256)
    chosen.register(sock, selectors.EVENT_READ)
    return sock


v4 = listen(socket.AF_INET, ("127.0.0.1", 0))
v6 = listen(socket.AF_INET6, ("::1", 0))
unix = listen(socket.AF_UNIX, folder + "/echo")
os.chmod(folder + "/echo", 0o777)
tell()
with open(folder + "/ports.new", "w", encoding="ascii") as ports:
    ports.write(f"{v4.getsockname()[1]} {v6.getsockname()[1]}")
os.rename(folder + "/ports.new", folder + "/ports")
while True:
    for key, _ in chosen.select():
        sock = key.fileobj
        if sock in (v4, v6, unix):
            client, _ = sock.accept()
            clients.add(client)
            chosen.register(client, selectors.EVENT_READ)
            tell()
            continue
        try:
            data = sock.recv(65536)
        except OSError:
            data = b""
        if data:
            sock.sendall(data)
        else:
            chosen.unregister(sock)
            clients.discard(sock)
            sock.close()
            tell()
