#!/bin/sh
# Reads the file that the argument names.
cat "$1"
