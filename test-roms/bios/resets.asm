; A boot sector that restarts the machine in each way there is, and is booted
; again each time. A byte of the CMOS counts. Writes 0 to the exit port in the end.

bits 16
cpu 386
org 0x7C00

%define COUNT 0x50              ; a byte of the CMOS that nobody else has

  cli
  xor ax, ax
  mov ds, ax
  mov ss, ax
  mov sp, 0x7C00
  mov al, COUNT
  out 0x70, al
  in al, 0x71
  mov bl, al
  inc al
  mov ah, al
  mov al, COUNT
  out 0x70, al
  mov al, ah
  out 0x71, al
  mov bh, 0
  add bx, bx
  cmp bx, ways.end - ways
  jae passed
  jmp [ways + bx]

ways:
  dw warm_jump, keyboard, port_92, reset_control, triple_fault, boot_again
.end:

; As Ctrl-Alt-Del does.
warm_jump:
  mov word [0x472], 0x1234
  jmp 0xFFFF:0

; The keyboard controller's pulse.
keyboard:
  mov al, 0xFE
  out 0x64, al
  jmp stop

port_92:
  in al, 0x92
  or al, 1
  out 0x92, al
  jmp stop

reset_control:
  mov dx, 0xCF9
  mov al, 2
  out dx, al
  mov al, 6
  out dx, al
  jmp stop

triple_fault:
  lidt [nothing]
  int3

; Not a reset: INT 19h.
boot_again:
  sti
  int 0x19

passed:
  ; The memory was set up anew, and the flag of Ctrl-Alt-Del is gone.
  int 0x12
  cmp ax, 639
  mov al, 0
  je .end
  mov al, 0x10
.end:
  out 0xF4, al

stop:
  hlt
  jmp stop

nothing: dw 0
  dd 0

  times 510 - ($ - $$) db 0
  dw 0xAA55
