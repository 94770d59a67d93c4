"""Tenants, users, roles, keys and sessions."""
