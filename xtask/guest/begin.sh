# How the guests' scripts begin: busybox's programs, the kernel's file systems, drivers.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /module-*; do
    [ -e "$module" ] || continue
    insmod "$module" || echo "GUEST-FAILED: $module"
done
