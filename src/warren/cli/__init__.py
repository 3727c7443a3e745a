"""The command `warren`: one file for each noun. Nothing here is imported by others."""
