"""WHMCS: tickets kept in both systems, facts of clients, by its classic API and a small hook file."""
