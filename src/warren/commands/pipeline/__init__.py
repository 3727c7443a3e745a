"""The pipeline of a command: verify, admit, store, execute, record."""
