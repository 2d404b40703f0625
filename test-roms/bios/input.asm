; A boot sector that takes a key by INT 16h and mouse packets by INT 15h AH=C2h.
; The keyboard controller is made to send them (commands D2h and D3h). Writes 0 to
; the exit port if all is as it should be, else the number of what is not, from 10h.

bits 16
cpu 386
org 0x7C00
%include "boot.inc"

  real_mode_segments
  sti

; A key: its scan code comes by IRQ 1.
  inc byte [step]
  mov al, 0xD2
  out 0x64, al
  mov al, 0x1E
  out 0x60, al
  mov ah, 0
  int 0x16
  cmp ax, 0x1E61
  jne failed

; The mouse: reset, type, handler, on.
  inc byte [step]
  mov ax, 0xC201
  int 0x15
  jc failed
  cmp bx, 0x00AA
  jne failed
  inc byte [step]
  mov ax, 0xC205
  mov bh, 3
  int 0x15
  jc failed
  inc byte [step]
  mov ax, 0xC202
  mov bh, 5                     ; 100 a second
  int 0x15
  jc failed
  inc byte [step]
  mov ax, 0xC207
  mov bx, handler
  int 0x15
  jc failed
  inc byte [step]
  mov ax, 0xC200
  mov bh, 1
  int 0x15
  jc failed
  inc byte [step]
  mov ax, 0xC206
  mov bh, 0
  int 0x15
  jc failed
  cmp dl, 100                   ; the rate
  jne failed

; A packet of three bytes: the handler sees it.
  inc byte [step]
  mov si, packet
  mov cx, 3
.byte:
  in al, 0x64
  test al, 1
  jnz .byte
  mov al, 0xD3
  out 0x64, al
  lodsb
  out 0x60, al
  loop .byte
.wait:
  cmp byte [came], 1
  jb .wait
  jne failed

; The keyboard still works.
  inc byte [step]
  mov al, 0xD2
  out 0x64, al
  mov al, 0x30
  out 0x60, al
  mov ah, 0
  int 0x16
  cmp ax, 0x3062
  jne failed
  mov byte [step], 0
failed:
  mov al, [step]
  out 0xF4, al
  hlt
  jmp failed

; SP+4: 0, Y, X, status.
handler:
  mov bp, sp
  mov byte [came], 2
  cmp byte [bp + 10], 0x09
  jne .end
  cmp byte [bp + 8], 0x05
  jne .end
  cmp byte [bp + 6], 0x07
  jne .end
  mov byte [came], 1
.end:
  retf

packet: db 0x09, 0x05, 0x07
came: db 0
step: db 0x0F

  times 510 - ($ - $$) db 0
  dw 0xAA55
