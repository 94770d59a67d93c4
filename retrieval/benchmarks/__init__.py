"""Commands that measure retrieval on one's own texts: `python -m retrieval.benchmarks.kb FOLDER` and
`python -m retrieval.benchmarks.faq FOLDER`. Both embed locally and change nothing."""
