# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: 2026 The netshim developers

"""starts.py PATH...: counts the programs that the kernel starts from the mounts of
these paths, as this mount namespace has them. On SIGTERM it prints "COUNT PROGRAM"
for each, the most often started first."""

import collections
import ctypes
import os
import signal
import struct
import sys

FAN_CLOEXEC, FAN_UNLIMITED_QUEUE = 0x1, 0x10
FAN_MARK_ADD, FAN_MARK_MOUNT = 0x1, 0x10
FAN_OPEN_EXEC = 0x1000
AT_FDCWD = -100
EVENT = struct.Struct("IBBHQii")

libc = ctypes.CDLL(None, use_errno=True)
counts = collections.Counter()


def check(ret):
    if ret < 0:
        sys.exit(f"starts.py: fanotify: {os.strerror(ctypes.get_errno())}")
    return ret


def finish(*_):
    for program, count in counts.most_common():
        print(count, program)
    sys.stdout.flush()
    os._exit(0)


def main():
    watch = check(libc.fanotify_init(FAN_CLOEXEC | FAN_UNLIMITED_QUEUE, os.O_RDONLY | os.O_CLOEXEC))
    for path in sys.argv[1:]:
        check(libc.fanotify_mark(watch, FAN_MARK_ADD | FAN_MARK_MOUNT, ctypes.c_uint64(FAN_OPEN_EXEC), AT_FDCWD,
                                 path.encode()))
    signal.signal(signal.SIGTERM, finish)
    print("ready", file=sys.stderr, flush=True)
    while True:
        events = os.read(watch, 65536)
        for at in range(0, len(events), EVENT.size):
            fd = EVENT.unpack_from(events, at)[5]
            counts[os.readlink(f"/proc/self/fd/{fd}")] += 1
            os.close(fd)


main()
