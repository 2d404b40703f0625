#!/bin/busybox sh
# Switches the machine off when its power button is pressed, and never otherwise.
. /begin
sleep 1
for device in /dev/input/event*; do
    name=/sys/class/input/${device##*/}/device/name
    if grep -q 'Power Button' "$name"; then
        # A report of a key, and of its end.
        (dd if="$device" of=/pressed bs=24 count=1 2> /dev/null && poweroff -f) &
    fi
done
sleep 1
echo READY
while :; do
    sleep 60
done
