"""Ends the stack's processes when the process that started them is gone, however it went.

Its standard input is a pipe from the stack: `+ pid signal` when a process starts, `- pid` when the stack has
ended it itself. End of file means that the stack is gone, even by SIGKILL: what is left on the list is ended.
Runs in a session of its own, so that Ctrl-C in a terminal does not reach it.
"""

import os
import signal
import sys
import time

PATIENCE = 5.0


def _send(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except OSError:  # gone, or its number is someone else's by now
        return False
    return True


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    left: dict[int, int] = {}
    for line in sys.stdin:
        sign, pid, *number = line.split()
        if sign == "+":
            left[int(pid)] = int(number[0])
        else:
            left.pop(int(pid), None)
    ending = [pid for pid, number in reversed(left.items()) if _send(pid, number)]
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and any(_send(pid, 0) for pid in ending):
        time.sleep(0.02)
    for pid in ending:
        _send(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
