#!/bin/bash
# Calls a port of this host's loopback, whose number is the argument.
if (exec 3<> "/dev/tcp/127.0.0.1/$1") 2>/dev/null; then echo connected; else echo refused; fi
grep -c : /proc/net/dev
