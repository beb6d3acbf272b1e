"""Runs a command on a terminal of its own: terminal.py '[["wait for", "then type"], ...]' COMMAND...

Prints what the terminal showed, then a line with the exit status.
"""
import json
import os
import pty
import sys

steps = json.loads(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
shown = ""
seen = 0
while True:
    try:
        chunk = os.read(terminal, 4096)
    except OSError:
        chunk = b""
    if not chunk:
        break
    shown += chunk.decode("utf-8", "replace")
    while steps and steps[0][0] in shown[seen:]:
        wanted, typed = steps.pop(0)
        seen = shown.index(wanted, seen) + len(wanted)
        os.write(terminal, typed.encode())
_, status = os.waitpid(pid, 0)
print(shown)
print("status", os.waitstatus_to_exitcode(status))
