; A boot sector of a hard disk that reads and writes its disk by cylinders, heads
; and sectors and by EDD packets, above 1 MiB, too. The disk has 16 MiB, and zeroes
; behind this sector. Writes 0 to the exit port if all is as it should be, else the
; number of what is not, from 10h.

bits 16
cpu 386
org 0x7C00
%include "boot.inc"

%define SECTORS 32768

  real_mode_segments
  sti
  mov [drive], dl
  cmp dl, 0x80
  jne failed

; The extensions.
  inc byte [step]
  mov ah, 0x41
  mov bx, 0x55AA
  int 0x13
  jc failed
  cmp bx, 0xAA55
  jne failed
  test cl, 1
  jz failed

; Parameters: the size, and the geometry that CHS calls agree with.
  inc byte [step]
  mov ah, 0x48
  mov si, parameters
  mov dl, [drive]
  int 0x13
  jc failed
  cmp dword [parameters + 0x10], SECTORS
  jne failed
  cmp word [parameters + 0x18], 512
  jne failed
  inc byte [step]
  mov ah, 0x08
  mov dl, [drive]
  int 0x13
  jc failed
  cmp dl, 1
  jne failed
  and cx, 0x3F
  mov [spt], cx

; Written by CHS at head 1, sector 2; read by its number.
  inc byte [step]
  xor ax, ax
  mov es, ax
  mov bx, 0x9000
  mov word [bx], 0xBEEF
  mov ax, 0x0301
  mov cx, 0x0002
  mov dh, 1
  mov dl, [drive]
  int 0x13
  jc failed
  inc byte [step]
  mov ax, [spt]
  inc ax
  mov [packet.lba], ax
  mov word [packet.buffer], 0xA000
  call read
  jc failed
  cmp word [0xA000], 0xBEEF
  jne failed

; To 1 MiB by a 64-bit address; it comes back by a block of the other kind.
  inc byte [step]
  mov byte [packet], 0x18
  mov dword [packet.buffer], 0xFFFFFFFF
  call read
  jc failed
  inc byte [step]
  mov word [packet.lba], 100
  mov ah, 0x43
  call transfer
  jc failed
  mov byte [packet], 0x10
  mov dword [packet.buffer], 0xB000
  call read
  jc failed
  cmp word [0xB000], 0xBEEF
  jne failed

; Over the end: as far as it goes.
  inc byte [step]
  mov word [packet.lba], SECTORS - 1
  mov word [packet.count], 3
  call read
  jnc failed
  cmp word [packet.count], 1
  jne failed
  mov byte [step], 0
failed:
  mov al, [step]
  out 0xF4, al
  hlt
  jmp failed

read:
  mov ah, 0x42
transfer:
  mov al, 0
  mov si, packet
  mov dl, [drive]
  int 0x13
  ret

drive: db 0
step: db 0x10
spt: dw 0
align 4
packet:
  db 0x10, 0
.count: dw 1
.buffer: dd 0
.lba: dq 0
  dq 0x100000
parameters: dw 0x42
  times 0x40 db 0

  times 510 - ($ - $$) db 0
  dw 0xAA55
