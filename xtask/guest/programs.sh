#!/bin/busybox sh
# Loads the driver of the disk, and runs the programs on it with a /tmp in memory.
. /begin
echo "BOOT-OK $(uname -r)"
mkdir /disk
mount -t ext4 -o ro /dev/vda /disk || echo "GUEST-FAILED: mount"
mount --bind /dev /disk/dev
mount -t proc proc /disk/proc
mount -t tmpfs tmpfs /disk/tmp
export PATH=/usr/bin:/usr/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8
chroot /disk /bin/sh /work/run.sh $(echo $bench | tr , ' ')
poweroff -f
