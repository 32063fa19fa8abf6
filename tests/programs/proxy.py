# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

# Proxies for the tests; each connects from the given addresses of this machine, and says
# "ready", and then where each client wanted to go:
#
#   proxy.py tcp PORT SOURCE4 SOURCE6    asks the kernel where a connection was going
#   proxy.py udp PORT SOURCE4 SOURCE6    takes datagrams that were going elsewhere
#   proxy.py socks PORT SOURCE4 SOURCE6  is told (SOCKS 5, without a password)
#   proxy.py echo PORT                   no proxy: answers datagrams
import select
import socket
import struct
import sys
import threading

SO_ORIGINAL_DST = 80
IP_RECVORIGDSTADDR = 20
IPV6_RECVORIGDSTADDR = 74
IPV6_TRANSPARENT = 75
what, port, *sources = sys.argv[1:]
families = (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")


def say(text):
    print(text, flush=True)


def address_in(family, data):
    """(address, port) in a sockaddr"""
    at = 4 if family == socket.AF_INET else 8
    size = 4 if family == socket.AF_INET else 16
    return socket.inet_ntop(family, data[at : at + size]), struct.unpack("!H", data[2:4])[0]


def open_from(family, kind):
    s = socket.socket(family, kind)
    s.settimeout(5)
    s.bind((sources[family == socket.AF_INET6], 0))
    return s


def relay(client, target):
    family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
    say("%s %d" % target)
    server = open_from(family, socket.SOCK_STREAM)
    with client, server:
        try:
            server.connect(target)
            other = {client: server, server: client}
            while True:
                for s in select.select([client, server], [], [])[0]:
                    data = s.recv(65536)
                    if not data:
                        return
                    other[s].sendall(data)
        except OSError:
            pass


def asked(client, family):
    level = socket.IPPROTO_IP if family == socket.AF_INET else socket.IPPROTO_IPV6
    return address_in(family, client.getsockopt(level, SO_ORIGINAL_DST, 28))


def told(client, _):
    client.recv(client.recv(2)[1])
    client.sendall(b"\5\0")
    kind = client.recv(4)[3]
    address = socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, client.recv(4 if kind == 1 else 16))
    target = address, struct.unpack("!H", client.recv(2))[0]
    client.sendall(b"\5\0\0\1\0\0\0\0\0\0")
    return target


def serve(client, family):
    try:
        target = (asked if what == "tcp" else told)(client, family)
    except OSError:
        return
    relay(client, target)


def accept(family, address):
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, int(port)))
    listener.listen(64)
    yield
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, family), daemon=True).start()


def take(family, address):
    s = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET:
        s.setsockopt(socket.SOL_IP, socket.IP_TRANSPARENT, 1)
        s.setsockopt(socket.SOL_IP, IP_RECVORIGDSTADDR, 1)
    else:
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1)
    s.bind((address, int(port)))
    yield
    while True:
        data, about, _, client = s.recvmsg(2048, 256)
        target = address_in(family, about[0][2])
        say("%s %d" % target)
        with open_from(family, socket.SOCK_DGRAM) as server, socket.socket(family, socket.SOCK_DGRAM) as answer:
            try:
                server.sendto(data, target)
                data = server.recv(2048)
            except OSError:
                continue
            if family == socket.AF_INET:
                answer.setsockopt(socket.SOL_IP, socket.IP_TRANSPARENT, 1)
            else:
                answer.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
            answer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            answer.bind(target)
            answer.sendto(data, client)


def echo(family, address):
    s = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((address, int(port)))
    yield
    while True:
        data, client = s.recvfrom(2048)
        s.sendto(b"%s from %s" % (data, client[0].encode()), client)


running = []
for family, address in families:
    if what == "echo":
        address = "0.0.0.0" if family == socket.AF_INET else "::"
    work = {"tcp": accept, "socks": accept, "udp": take, "echo": echo}[what](family, address)
    next(work)
    running.append(threading.Thread(target=lambda w=work: next(w)))
say("ready")
for thread in running:
    thread.start()
