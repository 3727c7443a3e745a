#!/bin/sh
# A GiB of output.
exec head -c 1073741824 /dev/zero
