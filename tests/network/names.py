#!/usr/bin/env python3
"""names.py PORT FILE: a name server on loopback. FILE has lines "NAME ADDRESS TTL", read for each
question; an ADDRESS "-" is never answered. A name that is not there does not exist."""
import ipaddress
import socket
import struct
import sys

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
while True:
    question, client = sock.recvfrom(1500)
    at, labels = 12, []
    while question[at]:
        labels.append(question[at + 1:at + 1 + question[at]].decode())
        at += question[at] + 1
    kind = struct.unpack(">H", question[at + 1:at + 3])[0]
    name, end = ".".join(labels).lower(), at + 5
    known, answers = False, []
    with open(sys.argv[2], encoding="ascii") as table:
        for line in table:
            host, address, ttl = line.split()
            if host != name:
                continue
            known = True
            if address == "-":
                answers = None
                break
            raw = ipaddress.ip_address(address).packed
            if kind == (1 if len(raw) == 4 else 28):
                answers.append(struct.pack(">HHHIH", 0xC00C, kind, 1, int(ttl), len(raw)) + raw)
    if answers is None:
        continue
    head = question[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known else 3), 1, len(answers), 0, 0)
    sock.sendto(head + question[12:end] + b"".join(answers), client)
