; The 8254 interval timer: all modes, by channel 2, whose gate and output are at
; port 61h (8254 datasheet).
%include "../lib/rom.inc"
%include "../lib/devices.inc"

bits 32
%define OUT_BIT 0x20
%macro gate 1                           ; 0 or 1
  get_port 0x61
  and al, 0xFC
  or al, %1
  out 0x61, al
%endmacro
; check_out EXPECTED (0 or 20h), NAME
%macro check_out 2
  get_port 0x61
  and eax, OUT_BIT
  check_eq eax, %1, %2
%endmacro
; program CONTROL, LOW, HIGH
%macro program 3
  put_port 0x43, %1
  put_port 0x42, %2
  put_port 0x42, %3
%endmacro
; Latches channel 2; EAX is its count.
%macro latch 0
  put_port 0x43, 0x80
  call read_count
%endmacro

read_count:
  get_port 0x42
  mov ecx, eax
  get_port 0x42
  shl eax, 8
  or eax, ecx
  ret

main:
  tcg_deviates "counts run whatever GATE does, modes 1, 4 and 5 without a trigger; no BCD"
  call mode0
  call mode1
  call mode2
  call mode3
  call modes45
  call formats
  call readback
  gate 0
  ret

mode0:
  gate 1
  put_port 0x43, 0xB0
  check_out 0, "mode 0: OUT is low after the control word (8254, mode 0)"
  put_port 0x42, 0xE8
  put_port 0x42, 3                      ; 1000: 838 us
  check_out 0, "low while it counts"
  wait_us 2000
  check_out OUT_BIT, "high when the count is over"
  latch
  cmp eax, 1000
  check_cc a, "and it goes on counting from FFFFh"
  put_port 0x42, 0xE8
  put_port 0x42, 3
  check_out 0, "a new count lets OUT fall"
  gate 0
  wait_us 100
  latch
  mov ebx, eax
  wait_us 300
  latch
  sub eax, ebx
  check_eq eax, 0, "GATE low holds the count"
  wait_us 2000
  check_out 0, "and OUT"
  gate 1
  wait_us 2000
  check_out OUT_BIT, "GATE high lets it go on"
  ; the first of two bytes stops it
  put_port 0x43, 0xB0
  put_port 0x42, 10
  wait_us 500
  check_out 0, "with one byte of two written nothing counts"
  put_port 0x42, 0
  wait_us 500
  check_out OUT_BIT, "the second starts it"
  ret

mode1:
  gate 0
  program 0xB2, 0xE8, 3
  check_out OUT_BIT, "mode 1: OUT is high until the trigger"
  wait_us 2000
  check_out OUT_BIT, "whatever the time"
  gate 1
  wait_us 100
  check_out 0, "the edge of GATE starts a pulse"
  wait_us 2000
  check_out OUT_BIT, "which ends with the count"
  gate 0
  gate 1
  wait_us 500
  gate 0
  gate 1                                ; retriggers
  wait_us 500
  check_out 0, "a second edge makes it longer"
  wait_us 1000
  check_out OUT_BIT, "and it ends"
  ret

mode2:
  gate 1
  program 0xB4, 0xE8, 3
  check_out OUT_BIT, "mode 2: OUT is high but for one clock"
  wait_us 2500
  latch
  cmp eax, 1001
  check_cc b, "it begins anew from its count"
  test eax, eax
  check_cc nz, "and never shows 0"
  gate 0
  check_out OUT_BIT, "GATE low sets OUT"
  wait_us 100
  latch
  mov ebx, eax
  wait_us 300
  latch
  sub eax, ebx
  check_eq eax, 0, "and holds the count"
  ; the edge of GATE begins anew
  gate 1
  wait_us 10
  latch
  cmp eax, 800
  check_cc a, "the edge of GATE begins anew"
  ret

mode3:
  gate 1
  program 0xB6, 0x20, 0x4E              ; 20000: 16.8 ms
  check_out OUT_BIT, "mode 3: OUT is high for the first half"
  wait_us 4000
  check_out OUT_BIT, "at a quarter"
  wait_us 8400
  check_out 0, "low for the second"
  wait_us 8400
  check_out OUT_BIT, "and high again"
  latch
  and eax, 1
  check_eq eax, 0, "it counts by two"
  gate 0
  check_out OUT_BIT, "GATE low sets OUT at once"
  ret

modes45:
  gate 1
  program 0xB8, 0xE8, 3
  check_out OUT_BIT, "mode 4: OUT is high but for one clock at the end"
  wait_us 300
  latch
  cmp eax, 1000
  check_cc b, "it counts at once"
  wait_us 1500
  latch
  cmp eax, 1000
  check_cc a, "and wraps: it does not begin anew"
  gate 0
  program 0xBA, 0xE8, 3
  wait_us 500
  check_out OUT_BIT, "mode 5: OUT is high"
  gate 1
  wait_us 300
  latch
  cmp eax, 1000
  check_cc b, "the edge of GATE starts the count"
  gate 0
  wait_us 100
  latch
  mov ebx, eax
  wait_us 100
  latch
  sub ebx, eax
  cmp ebx, 0
  check_cc ne, "GATE low does not hold it"
  ret

formats:
  gate 1
  ; low byte only
  put_port 0x43, 0x94                   ; LSB, mode 2
  put_port 0x42, 100
  wait_us 500
  put_port 0x43, 0x80
  get_port 0x42
  cmp eax, 101
  check_cc b, "low byte only: one byte is written and read"
  get_port 0x42
  cmp eax, 101
  check_cc b, "each read gives it"
  ; high byte only
  put_port 0x43, 0xA4
  put_port 0x42, 2                      ; 512
  wait_us 20
  get_port 0x42
  cmp eax, 3
  check_cc b, "high byte only"
  ; BCD
  program 0xB5, 0x00, 0x10              ; 1000 decimal, mode 2
  mov ebx, 200
  mov esi, 1
.bcd:
  latch
  mov ecx, eax
  and ecx, 0xF
  cmp ecx, 10
  jb .digit
  xor esi, esi
.digit:
  mov ecx, eax
  shr ecx, 4
  and ecx, 0xF
  cmp ecx, 10
  jb .digit2
  xor esi, esi
.digit2:
  dec ebx
  jnz .bcd
  check_eq esi, 1, "BCD: every digit is below 10"
  ; a latch holds until it is read
  program 0xB4, 0xFF, 0xFF
  wait_us 50
  put_port 0x43, 0x80
  wait_us 500
  put_port 0x43, 0x80                   ; ignored
  call read_count
  mov ebx, eax
  latch
  sub ebx, eax
  cmp ebx, 400
  check_cc a, "a latched count holds until it is read; a second latch is ignored"
  ret

readback:
  gate 1
  program 0xB4, 0xFF, 0xFF
  wait_us 10
  put_port 0x43, 0xE8                   ; status of channel 2
  get_port 0x42
  check_eq eax, 0xB4, "read-back: OUT, no null count, both bytes, mode 2 (8254, read-back command)"
  put_port 0x43, 0xB0
  put_port 0x43, 0xE8
  get_port 0x42
  check_eq eax, 0x70, "after a control word: null count, OUT low"
  put_port 0x42, 0xFF
  put_port 0x42, 0xFF
  wait_us 10
  put_port 0x43, 0xC8                   ; status and count
  get_port 0x42
  check_eq eax, 0x30, "status first"
  call read_count
  cmp eax, 0xFF00
  check_cc a, "then the count"
  put_port 0x43, 0xB6
  put_port 0x42, 0xFF
  put_port 0x42, 0xFF
  put_port 0x43, 0xE8
  get_port 0x42
  and eax, 0xE
  check_eq eax, 6, "mode 3 reads as 3"
  put_port 0x43, 0xBE
  put_port 0x43, 0xE8
  get_port 0x42
  and eax, 0xE
  cmp eax, 6
  sete bl
  cmp eax, 0xE
  sete cl
  or bl, cl
  movzx ebx, bl
  check_eq ebx, 1, "mode 7 is mode 3"
  ; several channels at once
  put_port 0x43, 0x34
  put_port 0x40, 0
  put_port 0x40, 0
  put_port 0x43, 0xEA                   ; status of channels 0 and 2
  get_port 0x40
  and eax, 0x3F
  check_eq eax, 0x34, "read-back of two channels: channel 0"
  get_port 0x42
  and eax, 0x30
  check_eq eax, 0x30, "and channel 2"
  ret
