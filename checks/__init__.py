"""The checks of `make check` beyond style and types; each file is a program of its own."""
