"""Files of the audit log."""
