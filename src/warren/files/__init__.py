"""File safety: atomic replace, exclusive create, lock files, Unix sockets, and path checks.

Every change of a file in the product is made by this package, and by nothing else (`tests/project/test_files.py`).
A function that takes `trust` proves first that nobody outside of `trust.owners` can write the path. Whatever runs
as root gives it for each path below a directory that another user can write.
"""
