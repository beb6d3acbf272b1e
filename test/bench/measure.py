"""Runs a program and tells what it took.

usage: measure.py PROGRAM [ARGUMENT...]

The program gets this one's standard output and error. One JSON object goes to
file descriptor 3: exit status, wall seconds, CPU seconds (user and system, its
children included) and peak resident memory in bytes.
"""

import json
import os
import sys
import time

start = time.monotonic()
pid = os.posix_spawnp(
    sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_CLOSE, 3)]
)
_, status, usage = os.wait4(pid, 0)
wall = time.monotonic() - start
result = {
    "code": os.waitstatus_to_exitcode(status),
    "wallSeconds": wall,
    "cpuSeconds": usage.ru_utime + usage.ru_stime,
    "peakBytes": usage.ru_maxrss * 1024,
}
os.write(3, json.dumps(result).encode())
