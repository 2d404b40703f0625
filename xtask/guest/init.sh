#!/bin/busybox sh
# The first program of test guests: says BOOT-OK, exercises the machine, says
# GUEST-OK when everything held, and powers off.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
echo "BOOT-OK $(uname -rm)"

failed=0
check() {
    if [ "$2" = "$3" ]; then echo "check $1: ok"; else echo "check $1: FAILED: got '$2', want '$3'"; failed=1; fi
}

check cpuinfo "$(grep -c ^processor /proc/cpuinfo)" 1
check pipes "$(seq 1 1000 | sort -rn | head -n 1)" 1000
check forks "$(for i in 1 2 3 4 5 6 7 8; do (exit $i); echo $?; done | tr -d '\n')" 12345678
check sha256 "$(dd if=/dev/zero bs=1k count=256 2>/dev/null | sha256sum | cut -c1-16)" 8a39d2abd3999ab7
check gzip "$(seq 1 20000 | gzip | gunzip | md5sum | cut -c1-8)" "$(seq 1 20000 | md5sum | cut -c1-8)"
check awk "$(awk 'BEGIN { for (k = 0; k < 2000; k++) p += (k % 2 ? -4 : 4) / (2 * k + 1); printf "%.9f %.3e %d", p, 1 / 3e7, 7.9 * 1e6 }')" \
    "3.141092654 3.333e-08 7900000"

before=$(cut -d' ' -f1 /proc/uptime)
sleep 1
after=$(cut -d' ' -f1 /proc/uptime)
check sleep "$(echo "$before $after" | awk '{ d = $2 - $1; print (d >= 0.98 && d < 1.6) ? "1s" : d }')" 1s

trap 'got=USR1' USR1
kill -USR1 $$
check signals "$got" USR1
sh -c 'kill -SEGV $$' 2>/dev/null
check fatal-signal $? 139
if [ -x /bin/busybox-i386 ]; then
    check i386 "$(/bin/busybox-i386 sh -c '/bin/busybox-i386 seq 1 100 | /bin/busybox-i386 awk "{ s += \$1 / 8 } END { print s }"')" 631.25
fi

echo "warnings from the kernel:"
dmesg -r 2>/dev/null | grep -E '^<[0-4]>' | sed 's/^/  /'
echo "end of warnings"

if [ $failed = 0 ]; then echo GUEST-OK; else echo GUEST-FAILED; fi
if [ -e /interactive ] || grep -q interactive /proc/cmdline; then exec setsid cttyhack sh; fi
poweroff -f
