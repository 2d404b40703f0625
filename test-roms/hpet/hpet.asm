; The high precision event timer (IA-PC HPET Specification 1.0a).
%include "../lib/rom.inc"
%include "../lib/devices.inc"

bits 32
%define H 0xFED00000
%define CONFIG (H + 0x10)
%define STATUS (H + 0x20)
%define COUNTER (H + 0xF0)
%define T0 (H + 0x100)
%define T0C (H + 0x108)
%define T1 (H + 0x120)
%define T1C (H + 0x128)
%define L 0xFEE00000

section .data
align 8
count: dd 0
section .text

main:
  mov dword [L + 0xF0], 0x1FF
  mov dword [L + 0x350], 0x10000
  set_gate32 IDT, 0x61, CODE32, handler, 0x8E
  call capabilities
  call counter
  call one_shot
  call periodic
  mov dword [CONFIG], 0
  mov dword [T0], 0
  mov dword [T1], 0
  ret

handler:
  inc dword [count]
  mov dword [STATUS], 3
  mov dword [L + 0xB0], 0
  iretd

; Until the first interrupt, and somewhat longer, as a second may come.
wait_count:
  push ecx
  mov ecx, 200
.more:
  wait_us 1000
  cmp dword [count], 0
  jne .came
  loop .more
.came:
  wait_us 8000
  pop ecx
  ret

capabilities:
  mov eax, [H + 4]
  cmp eax, 1000
  check_cc a, "a period (2.3.4)"
  cmp eax, 100000000
  check_cc be, "of 100 ns at most"
  mov eax, [H]
  shr eax, 8
  and eax, 31
  cmp eax, 2
  check_cc ae, "at least three timers"
  check_bits [H], 0x2000, 0x2000, "a 64-bit counter"
  check_bits [H], 0x8000, 0x8000, "that can replace PIT and RTC"
  check_bits [T0], 0x10, 0x10, "timer 0 can be periodic (2.3.8)"
  mov dword [H], 0
  check_bits [H], 0x8000, 0x8000, "the capabilities are read-only"
  cmp dword [T0 + 4], 0
  check_cc ne, "timer 0 has inputs of the I/O APIC to choose from"
  ret

counter:
  mov dword [CONFIG], 0
  mov dword [COUNTER], 0x1234
  mov dword [COUNTER + 4], 0x5678
  wait_us 1000
  check_eq [COUNTER], 0x1234, "disabled: the counter stands and can be written (2.3.7)"
  check_eq [COUNTER + 4], 0x5678, "its upper half"
  mov dword [COUNTER], 0
  mov dword [COUNTER + 4], 0
  mov dword [CONFIG], 1
  wait_us 10000
  mov ebx, [COUNTER]
  mov dword [CONFIG], 0
  ; 10 ms in femtoseconds / period
  mov eax, 1316134912                   ; 10^13 = 2328 x 2^32 + 1316134912
  mov edx, 2328
  div dword [H + 4]
  cmp ebx, eax
  check_cc ae, "enabled: it counts at least 10 ms in 10 ms"
  imul eax, eax, 5
  cmp ebx, eax
  check_cc b, "and not five times as much"
  mov ebx, [COUNTER]
  wait_us 1000
  mov eax, [COUNTER]
  sub eax, ebx
  check_eq eax, 0, "it stands again"
  ret

; EAX is N microseconds in ticks
%macro ticks 1
  mov eax, (%1) * 1000
  mov edx, 1000000
  mul edx
  div dword [H + 4]
%endmacro

; Timer 0 to input 2 of the I/O APIC by legacy replacement.
%macro route 1
  mov dword [0xFEC00000], 0x15
  mov dword [0xFEC00010], 0
  mov dword [0xFEC00000], 0x14
  mov dword [0xFEC00010], %1
%endmacro

one_shot:
  route 0x61
  mov dword [count], 0
  mov dword [CONFIG], 0
  mov dword [COUNTER], 0
  mov dword [COUNTER + 4], 0
  mov dword [T0], 0x104                 ; enabled, 32-bit, edge
  ticks 5000
  mov [T0C], eax
  mov dword [CONFIG], 3                 ; enabled, replaces PIT and RTC
  sti
  wait_us 1000
  check_eq [count], 0, "one-shot: not before its time (2.3.9.2.1)"
  call wait_count
  cli
  check_eq [count], 1, "one interrupt at input 2 (legacy replacement, 2.3.5)"
  check_bits [STATUS], 1, 0, "edge: no status"
  ; level
  mov dword [T0], 0x102 | 4
  mov dword [count], 0
  mov ebx, [COUNTER]
  ticks 5000
  add eax, ebx
  mov [T0C], eax
  route 0x8061
  sti
  call wait_count
  cli
  check_eq [count], 1, "level: one interrupt"
  mov dword [T0], 0x102
  mov ebx, [COUNTER]
  ticks 2000
  add eax, ebx
  mov [T0C], eax
  wait_us 50000
  tcg_deviates "no status without enable"
  check_bits [STATUS], 1, 1, "level without enable: the status is set all the same"
  mov dword [STATUS], 0
  check_bits [STATUS], 1, 1, "writing 0 keeps it"
  conforms
  mov dword [STATUS], 1
  check_bits [STATUS], 1, 0, "writing 1 clears it"
  mov dword [T0], 0
  ret

periodic:
  route 0x61
  mov dword [count], 0
  mov dword [CONFIG], 0
  mov dword [COUNTER], 0
  mov dword [COUNTER + 4], 0
  mov dword [T0], 0x14C                 ; enabled, periodic, value set, 32-bit
  ticks 10000
  mov [T0C], eax                        ; the comparator
  mov [T0C], eax                        ; the period
  mov dword [CONFIG], 3
  sti
  wait_us 105000
  cli
  mov eax, [count]
  cmp eax, 3
  check_cc ae, "periodic: it comes again and again (2.3.9.2.2)"
  cmp eax, 11
  check_cc be, "but not more often"
  ticks 10000
  mov ebx, eax
  mov eax, [T0C]
  xor edx, edx
  div ebx
  cmp edx, 0
  check_cc e, "the comparator moves on by the period"
  mov dword [T0], 0x108
  mov dword [count], 0
  sti
  wait_us 30000
  cli
  check_eq [count], 0, "without enable no interrupts"
  route 0x10000
  ret
