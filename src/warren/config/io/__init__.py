"""Configuration files on the disk."""
