# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

"""The tests' other host: answers HTTP on the TCP ports given, swallows UDP on
them. Prints "ready" when it listens."""

import selectors
import socket
import sys

ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"

ready = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
    ready.register(listener, selectors.EVENT_READ, "listener")
    datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    datagrams.bind(("::", port))
    ready.register(datagrams, selectors.EVENT_READ, "datagrams")
print("ready", flush=True)

while True:
    for key, _ in ready.select():
        if key.data == "listener":
            connection, _ = key.fileobj.accept()
            ready.register(connection, selectors.EVENT_READ, "connection")
            continue
        try:
            data = key.fileobj.recv(4096)
            if key.data == "connection" and b"\r\n\r\n" in data:
                key.fileobj.sendall(ANSWER)
        except OSError:
            data = b""
        if key.data == "connection" and (not data or b"\r\n\r\n" in data):
            ready.unregister(key.fileobj)
            key.fileobj.close()
