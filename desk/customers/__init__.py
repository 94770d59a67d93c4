"""One person over several channels: proved addresses, merging by them, and taking a merge back."""
