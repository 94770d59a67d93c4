"""`desk doctor`: is everything as it must be, and what to do where it is not?

A check ends `ok`, `warn` (worth a look, the desk works) or `fail` (something does not work). A stopped worker is a
failure when work is due, because then somebody waits, and a warning otherwise.
"""

from desk.doctor.examination import examine
from desk.doctor.findings import Finding

__all__ = ["Finding", "examine"]
