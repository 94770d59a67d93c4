"""From a fresh checkout to a usable desk, timed: `python -m tests.whole.first_start`.

Prints seconds for `make install` and for the first and the second start of the desk (demo data included), beside the
time Python and pip alone take to install the same locked packages into an empty environment.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from tests.processes import eventually
from tests.whole.desk_process import ROOT, free_port


def _timed(command: list[str], folder: Path) -> float:
    started = time.monotonic()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - started


def _started(folder: Path, environment: dict[str, str]) -> float:
    """Seconds from `make run` to a desk that says it is well; stops it again."""
    url, started = f"http://127.0.0.1:{environment['DESK_PORT']}/health", time.monotonic()

    def well() -> bool:
        try:
            return httpx.get(url, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    process = subprocess.Popen(
        ["make", "run"], cwd=folder, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        if not eventually(well, 300):
            raise SystemExit("the desk did not start")
        return time.monotonic() - started
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


def main() -> None:
    scratch = Path(tempfile.mkdtemp(prefix="desk-first-"))
    checkout = scratch / "checkout"
    try:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
        _timed([sys.executable, "-m", "venv", str(scratch / "bare")], scratch)
        bare_pip = [str(scratch / "bare" / "bin" / "python"), "-m", "pip", "install", "--no-deps", "--require-hashes"]
        bare = _timed([*bare_pip, "-r", str(checkout / "requirements.lock")], scratch)
        install = _timed(["make", "install"], checkout)
        environment = {**os.environ, "DESK_PORT": str(free_port())}
        first, second = _started(checkout, environment), _started(checkout, environment)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"install               {install:6.1f} s   {install / bare:4.2f} times pip alone ({bare:.1f} s)")
    print(f"first start           {first:6.1f} s   database made, demo seeded, every process well")
    print(f"second start          {second:6.1f} s   {second / first:4.2f} times the first")
    print(f"clone to usable desk  {install + first:6.1f} s")


if __name__ == "__main__":
    main()
