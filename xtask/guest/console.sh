#!/bin/busybox sh
# Shows a text and a prompt on the framebuffer console.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /module-*; do
    [ -e "$module" ] || continue
    insmod "$module" || echo "GUEST-FAILED: $module"
done
echo "FRAMEBUFFER $(cat /sys/class/graphics/fb0/name)"
printf '\033[2J\033[H' > /dev/tty0
cat /text > /dev/tty0
printf 'glassbox login: ' > /dev/tty0
sleep 60
