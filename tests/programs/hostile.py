# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

"""A name server that lies: hostile.py ADDRESS. To each query it sends answers that are not for
it, and such as cannot be read, and at last a true one, with 203.0.113.8 for every name but
x\\.wild.test, whose first label has a dot in it: that is at 203.0.113.10. To a
query for many.test by UDP it sends one that is cut off, and by TCP forty addresses. For
seventy.test, it has so many; behind.test is at 203.0.113.9, behind twenty other names."""

import socket
import struct
import sys
import threading


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def record(owner, address):
    return owner + struct.pack("!HHIH", 1, 1, 86400, 4) + socket.inet_aton(address)


def answer(query, addresses, number=None, question=None, flags=0x8180, owner=b"\xc0\x0c"):
    end = query.index(b"\0", 12) + 5
    question = question or query[12:end]
    number = struct.unpack("!H", query[:2])[0] if number is None else number
    records = b"".join(record(owner, address) for address in addresses)
    return struct.pack("!HHHHHH", number, flags, 1, len(addresses), 0, 0) + question + records


def seventy(query):
    return answer(query, ["198.51.100.%d" % n for n in range(1, 70)] + ["203.0.113.9"])


def behind(query):
    names = [b"\xc0\x0c"] + [name("n%d.test" % n) for n in range(20)]
    aliases = [owner + struct.pack("!HHIH", 5, 1, 86400, len(to)) + to for owner, to in zip(names, names[1:])]
    message = answer(query, []) + b"".join(aliases) + record(names[-1], "203.0.113.9")
    return message[:6] + struct.pack("!H", len(names)) + message[8:]


def special(query):
    return seventy(query) if b"\7seventy" in query else behind(query) if b"\6behind" in query else None


def lies(query):
    number = struct.unpack("!H", query[:2])[0]
    truth = answer(query, ["203.0.113.9"])
    yield answer(query, ["203.0.113.9"], number=number ^ 1)
    yield answer(query, ["203.0.113.9"], question=name("other.test") + query[-4:])
    yield answer(query, ["203.0.113.9"], flags=0x0100)
    yield truth[:-3]
    yield truth[:12]
    yield b""
    yield b"\xff" * 300
    yield truth[:6] + b"\xff\xff" + truth[8:]


def serve_udp(address):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    while True:
        query, client = server.recvfrom(4096)
        for lie in lies(query):
            server.sendto(lie, client)
        if special(query):
            server.sendto(special(query), client)
        elif b"\4many" in query:
            server.sendto(answer(query, [], flags=0x8380), client)
        else:
            # And an address of a name that nobody has asked for.
            more = answer(query, ["203.0.113.10" if b"\6x.wild" in query else "203.0.113.8"])
            more = more[:7] + b"\2" + more[8:] + record(name("x.test"), "203.0.113.10")
            server.sendto(more, client)


def serve_tcp(address):
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, 53))
    server.listen()
    while True:
        client = server.accept()[0]
        query = client.recv(4096)[2:]
        if query:
            lie = answer(query, ["203.0.113.9"], question=name("other.test") + query[-4:])
            true = answer(query, ["198.51.100.%d" % n for n in range(1, 40)] + ["203.0.113.11"])
            for message in lie, special(query) or true:
                client.sendall(struct.pack("!H", len(message)) + message)
        client.close()


threading.Thread(target=serve_tcp, args=(sys.argv[1],), daemon=True).start()
serve_udp(sys.argv[1])
