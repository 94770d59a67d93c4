"""A replaying process that never comes to an end, for those who stop it."""

import sys
import time

sys.stdin.buffer.read()
while True:
    sys.stdout.write('{"stage": "endless", "done": 1, "total": 2}\n')
    sys.stdout.flush()
    time.sleep(0.02)
