#!/bin/busybox sh
# Loads the drivers of disks and runs the storage works on the disk that turns up.
. /begin
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
