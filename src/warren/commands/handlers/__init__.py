"""Effect handlers: each performs one kind of effect on the host."""
