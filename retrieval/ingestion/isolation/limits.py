"""What one file may cost, and the words for a file that wanted more."""

from __future__ import annotations

from dataclasses import dataclass

_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    memory_bytes: int = 1024 * _MEBIBYTE
    """Address space of the child, code and libraries included."""
    wall_seconds: float = 20.0
    cpu_seconds: int = 20
    answer_bytes: int = 256 * _MEBIBYTE
    """Of everything that was read: the text, or the files of an archive."""

    @property
    def out_of_memory(self) -> str:
        size = self.memory_bytes // _MEBIBYTE
        return f"The file is too large to read: it needs more than {size:,} MB of memory. Split it into several files."

    @property
    def out_of_time(self) -> str:
        return (
            f"Reading the file takes too long: it was stopped after {self.wall_seconds:g} seconds. "
            "Split it, or save it anew and add it again."
        )

    @property
    def crashed(self) -> str:
        return "The file is damaged: the program that reads it broke off. Save it anew and add it again."
