"""Salesforce Service Cloud: cases with their e-mails and comments, and the contact."""
