"""Any system that speaks JSON: what its messages mean is said by expressions, how it takes replies by a template."""
