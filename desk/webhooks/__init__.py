"""Outgoing webhooks: what happens in the desk is told to the tenant's own systems, signed (Standard Webhooks)."""
