#!/bin/sh
# Tries to write where it must not, and says where it could. Then in its own places, which it may.
for directory in / /etc /usr/bin /run /var/lib /dev "$@"; do
    (: > "$directory/warren-misbehaving") 2>/dev/null && echo "outside: $directory"
done
: > here && echo own
exit 0
