"""Operations of the helper: one module for each subject, with the requests and the functions that perform them.

A new operation is a row in its module, and the name of that row in `table`.
"""
