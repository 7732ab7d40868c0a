"""Run a command where there is no network but loopback: `python -m tests.alone COMMAND...`, in a namespace of its own.

Where the system gives none (no Linux, no privilege) the command runs as it is.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys

CLONE_NEWNET, CLONE_NEWUSER = 0x4000_0000, 0x1000_0000
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40


def leave_network() -> bool:
    """Move this process into a network namespace with nothing but loopback; False where that is not possible."""
    if sys.platform != "linux":
        return False
    user, group, libc = os.getuid(), os.getgid(), ctypes.CDLL(None)
    if libc.unshare(CLONE_NEWNET):
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
            return False
        settings = {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"}
        for name, setting in settings.items():
            with open(f"/proc/self/{name}", "r+") as file:  # "w" would be told as a file that is made
                file.write(setting)
    with socket.socket() as loopback:
        fcntl.ioctl(loopback, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP | IFF_RUNNING))
    return True


if __name__ == "__main__":
    leave_network()
    os.execvp(sys.argv[1], sys.argv[1:])
