# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

"""Sends one datagram the way a program may ask for: sender.py WAY ADDRESS PORT [ARGUMENT].
An interface is given by its name, or by its index, as one of another network namespace is. Says "sent", or the name of the error."""

import errno
import socket
import struct
import sys

way, address, port, *rest = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
to = (address, int(port))
payload = b"x"
control = []
index = 0
IP_PKTINFO, IP_UNICAST_IF, IPV6_UNICAST_IF = 8, 50, 76  # older Pythons have none of them

try:
    if way in ("pktinfo", "unicast-if", "multicast-if"):
        index = int(rest[0]) if rest[0].isdigit() else socket.if_nametoindex(rest[0])
    if way == "device":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, rest[0].encode())
    elif way == "pktinfo" and family == socket.AF_INET:
        control = [(socket.IPPROTO_IP, IP_PKTINFO, struct.pack("I4s4s", index, bytes(4), bytes(4)))]
    elif way == "pktinfo":
        control = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, struct.pack("16sI", bytes(16), index))]
    elif way == "unicast-if" and family == socket.AF_INET:
        s.setsockopt(socket.IPPROTO_IP, IP_UNICAST_IF, socket.htonl(index))
    elif way == "unicast-if":
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_UNICAST_IF, socket.htonl(index))
    elif way == "multicast-if":
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("4s4si", bytes(4), bytes(4), index))
    elif way == "dont-route":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
    elif way == "bind":
        s.bind((rest[0], 0))
    elif way == "large":
        payload = bytes(5000)
    elif way == "wait":  # for an answer to come too late for
        s.bind(("", int(rest[0])))
    s.sendmsg([payload], control, 0, to)
    if way == "error":  # what the network says to the first is reported with the second
        s.connect(to)
        for _ in range(2):
            s.send(payload)
    print("sent")
except OSError as e:
    print(errno.errorcode.get(e.errno, e))  # there is none where no interface has the name
