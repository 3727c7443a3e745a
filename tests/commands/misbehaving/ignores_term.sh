#!/bin/sh
# Does not end when it is asked to, and neither does its child.
trap '' TERM INT HUP
echo ready
sleep 600 &
while :; do sleep 600; done
