#!/bin/busybox sh
# A shell on the console.
. /begin
clear
exec setsid -c sh
