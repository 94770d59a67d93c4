"""The core of Draftdesk: the workflow of a ticket and its rules, and the ports everything else plugs into."""

import os

# Before numpy is first imported anywhere: on small machines two BLAS threads make a short query several times
# slower than one (docs/measurements.md), and the worker's concurrency uses the other cores better.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
