#!/bin/busybox sh
# Loads the drivers of display and input, says what input devices report, and
# draws a pattern on the framebuffer.
. /begin
sleep 1
printf '\033[?25l' > /dev/tty0
echo 0 > /sys/class/graphics/fbcon/cursor_blink
echo "FRAMEBUFFER $(cat /sys/class/graphics/fb0/name) $(cat /sys/class/graphics/fb0/virtual_size)"

# type, code and value of each event that is not a report's end.
follow() {
    name=$(cat "/sys/class/input/$1/device/name")
    while event=$(dd bs=24 count=1 2> /dev/null | od -An -tu2 -j16); do
        set -- $event
        [ "$1" = 0 ] || echo "EVENT $name: $1 $2 $3" | tee -a /events
    done < "$device"
}
for device in /dev/input/event*; do
    follow "${device##*/}" &
done
sleep 1
echo LISTENING
# Until the last key, an A, is up again.
until grep -q ': 1 30 0$' /events; do
    sleep 0.1
done 2> /dev/null
cat /pattern > /dev/fb0
echo DRAWN
sleep 1
poweroff -f
