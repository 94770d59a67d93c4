"""Zoho Desk: tickets with their threads and comments, and the contact."""
