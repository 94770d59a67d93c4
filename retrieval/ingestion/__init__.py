"""From files to chunks: `parse.parse`, `chunking.chunk` and `discovery.discover`; pure, no database, no network."""
