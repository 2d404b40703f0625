; The MC146818 real-time clock and its CMOS RAM (MC146818A datasheet; ICH
; datasheet, RTC registers).
%include "../lib/rom.inc"
%include "../lib/devices.inc"

bits 32
%define A 0xA
%define B 0xB
%define C 0xC
%define D 0xD

main:
  call sleep_init
  get_cmos B
  mov [kept], al
  call memory
  call registers
  call time
  call formats
  call periodic
  call alarm
  mov bl, [kept]
  put_cmos B, bl
  ret
section .data
kept: db 0
section .text

memory:
  put_cmos 0x70, 0x5A
  put_cmos 0x71, 0xA5
  get_cmos 0x70
  check_eq eax, 0x5A, "CMOS RAM (MC146818A, RAM)"
  get_cmos 0x71
  check_eq eax, 0xA5, "byte by byte"
  put_cmos 0x70, 0
  put_cmos 0x71, 0
  ret

registers:
  get_cmos D
  check_eq eax, 0x80, "register D: valid RAM and time"
  put_cmos D, 0
  get_cmos D
  check_eq eax, 0x80, "and read-only"
  put_cmos A, 0x26
  get_cmos A
  and eax, 0x7F
  check_eq eax, 0x26, "register A: divider and rate"
  put_cmos A, 0xA6
  mov ecx, 100000
  ; UIP cannot be written: it is clear at some time
.uip:
  push ecx
  get_cmos A
  pop ecx
  test al, 0x80
  jz .clear
  loop .uip
.clear:
  and eax, 0x80
  check_eq eax, 0, "UIP cannot be set by software"
  put_cmos B, 2
  get_cmos C
  get_cmos C
  and eax, 0xF
  check_eq eax, 0, "register C: its low bits are 0"
  ret

; waits until the second changes; EAX is it
next_second:
  get_cmos 0
  mov ebx, eax
  mov ecx, 2000
.wait:
  sleep_ms 1
  get_cmos 0
  cmp eax, ebx
  loope .wait
  ret

time:
  put_cmos B, 2                         ; BCD, 24 hours
  call next_second
  mov edx, 0x608
  in eax, dx
  mov edi, eax
  call next_second
  mov edx, 0x608
  in eax, dx
  sub eax, edi
  and eax, 0xFFFFFF
  cmp eax, 3579545 - 360000
  setae cl
  cmp eax, 3579545 + 3600000            ; an emulator may be late
  setbe bl
  and bl, cl
  movzx ebx, bl
  check_eq ebx, 1, "a second is one, by the ACPI timer"
  ; SET holds the clock
  put_cmos B, 0x82
  put_cmos 0, 0x30
  get_cmos A
  and eax, 0x80
  check_eq eax, 0, "SET: no update in progress"
  sleep_ms 1500
  get_cmos 0
  check_eq eax, 0x30, "SET holds the clock"
  ; carry through the whole date: 31 December 1999, 23:59:59
  put_cmos 0, 0x59
  put_cmos 2, 0x59
  put_cmos 4, 0x23
  put_cmos 6, 6
  put_cmos 7, 0x31
  put_cmos 8, 0x12
  put_cmos 9, 0x99
  put_cmos B, 2
  call next_second
  check_eq eax, 0, "23:59:59: seconds carry"
  get_cmos 2
  check_eq eax, 0, "minutes"
  get_cmos 4
  check_eq eax, 0, "hours"
  get_cmos 7
  check_eq eax, 1, "day"
  get_cmos 8
  check_eq eax, 1, "month"
  get_cmos 9
  check_eq eax, 0, "year"
  ; leap day
  put_cmos B, 0x82
  put_cmos 0, 0x59
  put_cmos 2, 0x59
  put_cmos 4, 0x23
  put_cmos 7, 0x28
  put_cmos 8, 0x02
  put_cmos 9, 0x24
  put_cmos B, 2
  call next_second
  get_cmos 7
  check_eq eax, 0x29, "28 February 2024 is followed by the 29th"
  ret

formats:
  put_cmos B, 0x86                      ; binary, 24 hours
  put_cmos 0, 10
  put_cmos 4, 23
  put_cmos B, 6
  get_cmos 4
  check_eq eax, 23, "DM: binary hours"
  put_cmos B, 0x84                      ; binary, 12 hours
  put_cmos 4, 0x8B                      ; 11 in the evening
  put_cmos 2, 59
  put_cmos 0, 59
  put_cmos B, 4
  call next_second
  get_cmos 4
  check_eq eax, 12, "12 hours: 11 p.m. is followed by 12 a.m."
  put_cmos B, 0x82
  put_cmos 0, 0x10
  put_cmos B, 2
  ret

periodic:
  get_cmos C
  put_cmos A, 0x26                      ; 1024 Hz
  sleep_ms 30
  get_cmos C
  and eax, 0xC0
  tcg_deviates "no PF without PIE"
  check_eq eax, 0x40, "PF without PIE: the flag, no interrupt (MC146818A, register C)"
  conforms
  get_cmos C
  and eax, 0x80
  check_eq eax, 0, "IRQF is clear"
  put_cmos B, 0x42
  sleep_ms 30
  get_cmos C
  and eax, 0xC0
  check_eq eax, 0xC0, "with PIE: IRQF and PF"
  put_cmos B, 2
  get_cmos C
  get_cmos C
  and eax, 0x80
  check_eq eax, 0, "reading C clears it"
  put_cmos A, 0x20
  sleep_ms 3
  get_cmos C
  sleep_ms 30
  get_cmos C
  and eax, 0x40
  check_eq eax, 0, "rate 0: no periodic flag"
  put_cmos A, 0x26
  ; update-ended
  call next_second
  sleep_ms 10
  get_cmos C
  get_cmos C
  and eax, 0x10
  check_eq eax, 0, "no UF between updates"
  put_cmos B, 0x12
  sleep_ms 1100
  get_cmos C
  and eax, 0x90
  check_eq eax, 0x90, "UF and IRQF with UIE after a second"
  put_cmos B, 2
  ret

alarm:
  put_cmos B, 0x82
  put_cmos 0, 0x10
  put_cmos 1, 0x12
  put_cmos 3, 0xFF                      ; any minute
  put_cmos 5, 0xFF                      ; any hour
  put_cmos B, 2
  get_cmos C
  put_cmos B, 0x22
  sleep_ms 500
  get_cmos C
  and eax, 0x20
  check_eq eax, 0, "no alarm before its second"
  sleep_ms 2600
  get_cmos C
  and eax, 0xA0
  check_eq eax, 0xA0, "the alarm comes with its second, whatever minute and hour"
  put_cmos B, 2
  ret
