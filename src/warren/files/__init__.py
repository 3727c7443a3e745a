"""File safety: atomic replace, exclusive create, lock files, Unix sockets, and path checks."""
