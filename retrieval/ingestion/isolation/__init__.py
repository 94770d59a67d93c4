"""Reading strangers' files in a process of its own, so that no file can take the worker with it.

`reader.IsolatedReader` starts `python -m retrieval.ingestion.isolation.host`, which has every format loaded and forks
one child for each file. The child has the limits of `limits.ReadingLimits` and nothing to lose.
"""
