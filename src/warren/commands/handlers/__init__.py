"""Effect handlers: each module performs one kind of effect on the host; `table` lists them all."""
