"""Runs one program so that it cannot outlive its owner. A script of its own: started by path, imports nothing of ours.

``python -I -S tether.py '{"parent": 123, "signal": 2, ...}' program arguments...``

On Linux the kernel does it (``PR_SET_PDEATHSIG``) and this process becomes the program: same process id, no
process in between. Elsewhere this process stays as a small watcher: its standard input is a pipe whose other end
only the owner holds, and when that end closes the program is told to stop, and 20 seconds later killed.

The lock file, when given, is held by the program itself (the descriptor is inherited), so it is free exactly when
the program and all its children are gone, whatever killed them.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable

LOCKED = 75  # exit code: somebody else holds the lock (EX_TEMPFAIL)
CANNOT = 126  # exit code: the program cannot be run
_STOP_SECONDS = 20.0
_PR_SET_PDEATHSIG = 1


def _take_lock(path: str, wait_seconds: float) -> int:
    """Return a descriptor that holds the lock; ends the process when others keep it longer than ``wait_seconds``."""
    import fcntl  # noqa: PLC0415 - start-up time: most programs have no lock

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    until = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                sys.stderr.write(f"{path} is held by another running server\n")
                sys.exit(LOCKED)
            time.sleep(0.05)
        else:
            os.set_inheritable(descriptor, True)
            return descriptor


def _become_user(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _find_prctl() -> Callable[[int, int, int, int, int], int] | None:
    """Return Linux's prctl, or None elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        import ctypes  # noqa: PLC0415 - an optional part of Python

        return ctypes.CDLL(None, use_errno=True).prctl
    except (ImportError, OSError, AttributeError):
        return None


def _entrance(text: str | None) -> int:
    """Return a descriptor to read the program's standard input from: the text, else nothing."""
    if text is None:
        return os.open(os.devnull, os.O_RDONLY)
    reading, writing = os.pipe()
    os.write(writing, text.encode())  # short: it fits the pipe
    os.close(writing)
    return reading


def _watch(command: list[str], number: int, entrance: int) -> int:
    """Run the program; stop it when standard input ends; pass signals on; return its exit code."""
    import subprocess  # noqa: PLC0415 - start-up time: not needed where the kernel ties the program

    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    child = subprocess.Popen(command, stdin=entrance, close_fds=False)
    for passed in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(passed, lambda which, _frame: child.send_signal(which))
    signal.signal(signal.SIGCHLD, lambda _which, _frame: None)
    kill_at: float | None = None
    while child.poll() is None:
        wait = 0.5 if kill_at is None else max(0.0, min(0.5, kill_at - time.monotonic()))
        ready, _, _ = select.select([wake_read] if kill_at else [0, wake_read], [], [], wait)
        if wake_read in ready:
            os.read(wake_read, 512)
        if 0 in ready and not os.read(0, 512):
            child.send_signal(number)
            kill_at = time.monotonic() + _STOP_SECONDS
        if kill_at is not None and time.monotonic() >= kill_at:
            child.kill()
    code = child.returncode
    return code if code >= 0 else 128 - code


def main() -> None:
    """Do what the first argument (JSON) says with the program in the others."""
    order, command = json.loads(sys.argv[1]), sys.argv[2:]
    os.setsid()  # a Ctrl-C in the owner's terminal is for the owner alone
    prctl = None if order["watch"] else _find_prctl()  # before the user changes: nobody may not read our Python
    if order["lock"]:
        _take_lock(order["lock"], order["lock_wait_s"])
    if order["uid"] is not None:
        _become_user(order["uid"], order["gid"])  # a change of user would clear the death signal: first this
    entrance = _entrance(order["text"])
    try:
        if prctl is None or prctl(_PR_SET_PDEATHSIG, order["signal"], 0, 0, 0) != 0:
            sys.exit(_watch(command, order["signal"], entrance))
        if os.getppid() != order["parent"]:  # it died before the kernel knew
            sys.exit(0)
        os.dup2(entrance, 0)
        os.execv(command[0], command)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(CANNOT)


if __name__ == "__main__":
    main()
