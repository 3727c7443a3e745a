#!/bin/sh
# Has nothing more to say, and goes on.
echo last
exec >&- 2>&-
sleep 0.3
exit 7
