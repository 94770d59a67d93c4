"""A reading host whose reader does, by the name of the file, what a reader must not do."""

from __future__ import annotations

import os
import time
from pathlib import Path

from retrieval.ingestion.isolation import host
from retrieval.ingestion.read import ReadResult, read_file


def _hostile(name: str, raw: bytes, media_type: str = "") -> ReadResult:
    if name == "hog":
        kept = [bytearray(1 << 24) for _ in range(1_000)]
        return ReadResult(remarks=[str(len(kept))])
    if name == "sleeper":
        time.sleep(600)
    if name == "spinner":
        while True:
            pass
    if name == "crash":
        os.abort()
    if name == "writer":
        Path(raw.decode()).write_text("written", encoding="utf-8")
    if name == "bug":
        raise ZeroDivisionError
    return read_file(name, raw, media_type)


host.read_file = _hostile

if __name__ == "__main__":
    host.main()
