"""Their files."""
