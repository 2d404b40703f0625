; Ports of the board that move lines of the processor: A20 by port 92h and by the
; keyboard controller, the resets (ICH datasheet: PORT92, RST_CNT; 8042; Intel SDM
; Vol. 3A 11.1). Resets start this image again, so stages are counted in CMOS RAM.
%include "../lib/rom.inc"
%include "../lib/devices.inc"

bits 32
%define MARK 0x70                       ; CMOS: A5h while resets are tried
%define STAGE 0x71

main:
  get_cmos MARK
  cmp eax, 0xA5
  je resets
  call port92
  call keyboard
  cmp dword [failures], 0
  je .passed                            ; a restart would forget them
  ret
.passed:
  put_cmos STAGE, 0
  put_cmos MARK, 0xA5
  jmp resets

; check_wrap EXPECTED, NAME: 1 where 100000h + x is x
%macro check_wrap 2
  mov dword [0x500], 0x11111111
  mov dword [0x100500], 0x22222222
  xor eax, eax
  cmp dword [0x500], 0x22222222
  sete al
  check_eq eax, %1, %2
%endmacro

port92:
  ; A20 is on where either source says so: the 8042's is off meanwhile
  call wait_input
  put_port 0x64, 0xD1
  call wait_input
  put_port 0x60, 0xDD
  call wait_input
  get_port 0x92
  or al, 2
  and al, 0xFE
  out 0x92, al
  check_wrap 0, "A20 on: no wrap at 1 MiB"
  get_port 0x92
  and eax, 2
  check_eq eax, 2, "port 92h bit 1 reads back (ICH, PORT92)"
  get_port 0x92
  and al, 0xFC
  out 0x92, al
  check_wrap 1, "A20 off: 100500h is 500h (SDM 3A 22.1.1, A20M#)"
  mov dword [0x600], 0x33333333
  mov eax, [0x300600]
  mov dword [0x200600], 0x44444444
  mov eax, [0x300600]
  check_eq eax, 0x44444444, "and 300600h is 200600h"
  get_port 0x92
  or al, 2
  and al, 0xFE
  out 0x92, al
  check_wrap 0, "on again"
  ret

wait_input:
  in al, 0x64
  test al, 2
  jnz wait_input
  ret
wait_output:
  mov ecx, 1000000
.again:
  in al, 0x64
  test al, 1
  loopz .again
  ret

keyboard:
  call wait_input
  put_port 0x64, 0xAA
  call wait_output
  check_port 0x60, 0x55, "8042: self-test"
  call wait_input
  put_port 0x64, 0x20
  call wait_output
  get_port 0x60
  mov bl, al
  call wait_input
  put_port 0x64, 0x60
  call wait_input
  put_port 0x60, 0x74                   ; no interrupts, both ports off
  call wait_input
  put_port 0x64, 0x20
  call wait_output
  check_port 0x60, 0x74, "8042: the command byte"
  call wait_input
  put_port 0x64, 0xD2                   ; as if the keyboard had sent it
  call wait_input
  put_port 0x60, 0x5A
  call wait_output
  check_port 0x60, 0x5A, "8042: command D2h puts a byte into the output buffer"
  get_port 0x92
  and al, 0xFC
  out 0x92, al
  call wait_input
  put_port 0x64, 0xD1
  call wait_input
  put_port 0x60, 0xDF                   ; output port: A20 on
  call wait_input
  check_wrap 0, "8042: output port bit 1 turns A20 on"
  call wait_input
  put_port 0x64, 0xD0
  call wait_output
  get_port 0x60
  and eax, 3
  check_eq eax, 3, "8042: and reads back"
  call wait_input
  put_port 0x64, 0x60
  call wait_input
  mov al, bl
  out 0x60, al
  call wait_input
  get_port 0x92
  or al, 2
  and al, 0xFE
  out 0x92, al
  ret

; Each stage: what the reset before has left, then the next one.
resets:
  get_cmos STAGE
  mov ebx, eax
  inc eax
  mov ecx, eax
  put_cmos STAGE, cl
  cmp ebx, 0
  je .cf9
  cmp ebx, 1
  je .cf9_hard
  cmp ebx, 2
  je .port92
  cmp ebx, 3
  je .keyboard
  put_cmos MARK, 0
  check_eq ebx, 4, "four resets: CF9h soft and hard, port 92h bit 0, 8042 command FEh"
  mov eax, cr0
  and eax, 0x6000000E
  check_eq eax, 0, "the image was started as at first"
  get_cmos 0xD
  check_eq eax, 0x80, "CMOS RAM has kept its contents"
  ret
.cf9:
  put_port 0xCF9, 0
  put_port 0xCF9, 4
  jmp .hang
.cf9_hard:
  put_port 0xCF9, 2
  put_port 0xCF9, 6
  jmp .hang
.port92:
  get_port 0x92
  and al, 0xFE
  out 0x92, al
  or al, 1
  out 0x92, al
  jmp .hang
.keyboard:
  call wait_input
  put_port 0x64, 0xFE
.hang:
  wait_us 100000
  put_cmos MARK, 0
  check_eq ebx, -1, "a reset has not happened (its stage)"
  ret
