; The screen's modes, by registers alone: the last word of the command line names one,
; the ROM sets it, draws, and leaves the picture there, whose hash the manifest has
; (IBM PS/2 Hardware Interface Technical Reference, "Video subsystem"; Bochs
; VBE_DISPI interface).
%include "../lib/rom.inc"
%include "../lib/devices.inc"
%include "modes.inc"
%include "registers.inc"
%include "draw.inc"
%include "text.inc"
%include "planes.inc"
%include "dispi.inc"

bits 32
; picture NAME, TABLE, ROUTINE: what a word of the command line leads to
%macro picture 3
  %strlen %%length %1
  db %1
  times 16 - %%length db 0
  dd %2, %3
%endmacro

section .data
pictures:
  picture "text-80", text_80, draw_text
  picture "text-80-8", text_80_8, draw_text
  picture "text-40", text_40, draw_text
  picture "text-50", text_50, draw_text
  picture "text-43", text_43, draw_text
  picture "text-mono", text_mono, draw_text
  picture "text-512", text_80, text_512
  picture "text-cursor", text_80, text_cursor
  picture "text-scroll", text_80, text_scroll
  picture "cga-4", cga_4, draw
  picture "cga-2", cga_2, draw
  picture "ega-0d", ega_0d, draw
  picture "ega-0e", ega_0e, draw
  picture "ega-10", ega_10, draw
  picture "vga-11", vga_11, draw
  picture "vga-12", vga_12, draw
  picture "vga-13", vga_13, draw
  picture "mode-x", mode_x, draw
  picture "mode-400", mode_400, draw
  picture "split", ega_0d, split
  picture "pan", ega_0d, pan
  picture "pages", mode_x, pages
  picture "palette", vga_12, palette
  picture "write-modes", vga_12, write_modes
  picture "dispi-4", vga_12, dispi_4
  picture "dispi-8", vga_13, dispi_8
  picture "dispi-15", vga_13, dispi_15
  picture "dispi-16", vga_13, dispi_16
  picture "dispi-24", vga_13, dispi_24
  picture "dispi-32", vga_13, dispi_32
  picture "dispi-bank", vga_13, dispi_bank
  picture "dispi-pan", vga_13, dispi_pan
pictures_end:
%define PICTURE 24
name: dd 0                      ; of the picture
mode: dd 0                      ; its table
section .text

main:
  call find_name
  mov [name], esi
  mov ebx, pictures
.next:
  mov edi, ebx
  mov edx, esi
.compare:
  mov al, [edx]
  cmp al, [edi]
  jne .other
  inc edx
  inc edi
  test al, al
  jnz .compare
  mov eax, [ebx + 16]
  mov [mode], eax
  push dword [ebx + 20]
  call set_mode
  pop eax
  call eax
  check_eq 0, 0, "the picture is drawn"
  ret
.other:
  add ebx, PICTURE
  cmp ebx, pictures_end
  jb .next
  mov esi, unknown
  call print_32
  mov al, 0x10
  jmp finish.end
[section .data]
unknown: db "Bail out! the command line's last word is no picture's name", 10, 0
__SECT__

; ESI is the command line's last word.
find_name:
  mov esi, unknown
  mov ebx, [boot_info]
  test byte [ebx], 4
  jz .end
  mov edx, [ebx + 16]
  mov esi, edx
.next:
  mov al, [edx]
  inc edx
  cmp al, ' '
  jne .same
  mov esi, edx
.same:
  test al, al
  jnz .next
.end:
  ret
