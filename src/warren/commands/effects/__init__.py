"""Effects: what verbs ask of the host, as values; a module for each kind, its handlers in the module of the same name.

An effect is added as a class here, a function in `handlers/`, and, for a new kind, a row of `handlers/table.py`.
"""
