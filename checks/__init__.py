"""What `make check` asks of the tree beyond style and types; each file is a program of its own."""
