#!/bin/sh
# The works of `cargo xtask bench --programs`: for each that is named it prints "BENCH name
# seconds", and a sum of what the work printed, to be compared with another machine's.
cd /tmp
w=/work

work() {
    case $1 in
    gcc) gcc -O2 $w/workloads.c -o out -lm && ./out none && echo compiled ;;
    as) gcc -O0 -S $w/workloads.c -o out.s && for i in 1 2 3 4; do as out.s -o out.o; done && ld -r out.o -o out2.o && echo assembled ;;
    gzip) gzip -9 < $w/sample > out.gz && gunzip < out.gz | cmp - $w/sample && echo same ;;
    bzip2) bzip2 < $w/sample > out.bz2 && bunzip2 < out.bz2 | cmp - $w/sample && echo same ;;
    xz) xz -3 < $w/sample > out.xz && xz -d < out.xz | cmp - $w/sample && echo same ;;
    zstd) zstd -q -12 < $w/sample > out.zst && zstd -q -d < out.zst | cmp - $w/sample && echo same ;;
    python) python3 $w/work.py ;;
    perl) perl $w/work.pl ;;
    luajit) luajit $w/work.lua ;;
    node) node $w/work.js ;;
    sqlite) rm -f db && sqlite3 db < $w/work.sql ;;
    sha256) head -c 32M /dev/zero | openssl sha256 -r ;;
    aes) head -c 64M /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2> /dev/null | cksum ;;
    prime) openssl prime -hex 7$(printf '%550s' | tr ' ' F) | tail -c 10 ;;
    kdf) openssl enc -aes-256-cbc -pbkdf2 -iter 150000 -S 00 -k secret -in $w/work.js | cksum ;;
    shell) i=0; while [ $i -lt 150 ]; do echo "line $i" | sed 's/line/row/' | grep -c row > /dev/null; n=$(expr $i + 1); i=$n; done; echo $i ;;
    esac
}

for name in "$@"; do
    start=$(date +%s.%N)
    work $name > result 2>&1 || echo "GUEST-FAILED: $name"
    end=$(date +%s.%N)
    echo "RESULT $name $(cksum < result)"
    echo "BENCH $name $(echo "$end $start" | awk '{ printf "%.3f", $1 - $2 }')"
done
