"""Cross-encoders behind an HTTP endpoint."""
