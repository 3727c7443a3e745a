"""Its files."""
