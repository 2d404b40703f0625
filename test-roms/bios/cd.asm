; The boot image of a CD without emulation: asks what was booted and reads a
; sector of the disc. Its first sector on the disc is 24. Writes 0 to the exit
; port if all is as it should be, else the number of what is not, from 10h.

bits 16
cpu 386
org 0x7C00
%include "boot.inc"

  real_mode_segments
  sti
  mov [drive], dl
  mov ax, 0x4B01
  mov si, specification
  int 0x13
  jc failed
  inc byte [step]
  mov al, [drive]
  cmp byte [specification], 0x13
  jne failed
  cmp byte [specification + 1], 0
  jne failed
  cmp [specification + 2], al
  jne failed
  cmp dword [specification + 4], 24
  jne failed
; All four sectors of the image are here.
  inc byte [step]
  cmp dword [last], "last"
  jne failed
; A sector has 2048 bytes.
  inc byte [step]
  mov ah, 0x48
  mov si, parameters
  mov dl, [drive]
  int 0x13
  jc failed
  cmp word [parameters + 0x18], 2048
  jne failed
  inc byte [step]
  mov ah, 0x42
  mov si, packet
  mov dl, [drive]
  int 0x13
  jc failed
  cmp dword [0x9000 + last - $$], "last"
  jne failed
  inc byte [step]
  mov ah, 0x43
  mov al, 0
  mov dl, [drive]
  int 0x13
  jnc failed                    ; a CD is not written
  mov byte [step], 0
failed:
  mov al, [step]
  out 0xF4, al
  hlt
  jmp failed

drive: db 0
step: db 0x10
packet: db 0x10, 0
  dw 1, 0x9000, 0
  dq 24
parameters: dw 0x1A
  times 0x18 db 0
specification: times 0x13 db 0

  times 2044 - ($ - $$) db 0
last: db "last"
