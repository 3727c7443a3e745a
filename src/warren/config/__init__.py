"""Configuration: one row per field, read from TOML, JSON and the environment, and written back."""
