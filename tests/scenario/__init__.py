"""Agents on hosts of their own, as a user has them: what they do together, through their commands alone."""
