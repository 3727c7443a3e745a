#!/bin/sh
# Writes files until there is no room, and says how many KiB it had.
number=0
while [ "$number" -lt 1000 ]; do
    number=$((number + 1))
    dd if=/dev/zero of="file$number" bs=1M count=16 2>/dev/null || break
done
du -sk . | cut -f1
