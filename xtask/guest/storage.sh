#!/bin/busybox sh
# Loads the drivers of disks and runs the storage works on the disk that turns up.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /module-*; do
    insmod "$module" || echo "GUEST-FAILED: $module"
done
echo "BOOT-OK $(uname -r)"
n=0
while [ $n -lt 100 ]; do
    for disk in /dev/sda /dev/vda /dev/nvme0n1; do
        [ -b $disk ] && break 2
    done
    sleep 0.1
    n=$((n + 1))
done
/works $disk || echo "GUEST-FAILED: $disk"
poweroff -f
