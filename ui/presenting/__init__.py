"""What pages show, computed from rows: pure, so that it can be tested without a browser or a database."""
