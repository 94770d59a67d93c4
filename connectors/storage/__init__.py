"""Where files are kept: a local folder, or a bucket of an S3-compatible service. Both fulfil `desk.ports.Storage`."""
