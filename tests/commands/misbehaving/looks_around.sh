#!/bin/sh
# What it is given: environment, descriptors, streams, umask, limits.
tr '\0' '\n' < "/proc/$$/environ"
# The last is that of the directory itself.
ls /proc/self/fd | sed 's/^/fd /'
echo "umask $(umask)"
echo "core $(ulimit -c)"
grep -E '^(CapPrm|CapBnd|CapEff|CapAmb|NoNewPrivs)' /proc/self/status
for process in /proc/[0-9]*; do
    grep -a -o 'WARREN_ZOO_SECRET.*' "$process/environ"
done 2>/dev/null
cat
echo said > /dev/stderr
