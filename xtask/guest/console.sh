#!/bin/busybox sh
# Shows a text and a prompt on the framebuffer console.
. /begin
echo "FRAMEBUFFER $(cat /sys/class/graphics/fb0/name)"
printf '\033[2J\033[H' > /dev/tty0
cat /text > /dev/tty0
printf 'glassbox login: ' > /dev/tty0
sleep 60
