; A floppy that uses the screen as old programs do: palette fades by the retrace, page
; flips and latched copies in an unchained mode, 50 rows of text, VBE's banks by
; interrupt and by far call, long lines, panning, its palette, and its protected-mode
; interface. Output is TAP, see tap16.inc.

bits 16
cpu 386
org 0x7C00
%include "boot.inc"
%include "tap16.inc"

%define PROGRAM_SECTORS 12
%define BUFFER 0x2000           ; a segment
%define INTERFACE 0x3000        ; a segment: a copy of VBE's code
%define BDA(offset) (0x400 + offset)
%define CODE32 0x08
%define FLAT 0x10
%define CODE16 0x18
%define DATA16 0x20
%define STATUS 0x3DA
%define RETRACE 8

start:
  jmp 0:.here
.here:
  real_mode_segments
  sti
  mov ax, 0x0200 + PROGRAM_SECTORS
  mov bx, program
  mov cx, 2
  xor dh, dh
  int 0x13
  jnc program
  int 0x18

  times 510 - ($ - $$) db 0
  dw 0xAA55

program:
  call serial_open
  call retrace
  call fade
  call unchained
  call rows
  call banks
  call lines
  call colors
  call interface
  jmp finish

tap_routines

; between GOT, LEAST, MOST, NAME: 1 where a word is in a range.
%macro between 4
  mov ax, %1
  mov dx, 0
  cmp ax, %2
  jb %%no
  cmp ax, %3
  ja %%no
  inc dx
%%no:
  check dx, 1, %4
%endmacro

; index PORT, REGISTER, VALUE: constants; loses AX and DX
%macro index 3
  mov dx, %1
  mov ax, (%3) << 8 | (%2)
  out dx, ax
%endmacro

; Returns when a retrace begins.
wait_retrace:
  push ax
  push dx
  mov dx, STATUS
.in:
  in al, dx
  test al, RETRACE
  jnz .in
.out:
  in al, dx
  test al, RETRACE
  jz .out
  pop dx
  pop ax
  ret

; Waits for the next tick of 18.2 a second; its number in AX.
next_tick:
  mov ax, [BDA(0x6C)]
.wait:
  cmp ax, [BDA(0x6C)]
  je .wait
  mov ax, [BDA(0x6C)]
  ret

; CX retraces in six ticks of the timer, that is in 0.33 s.
count_retraces:
  call next_tick
  mov bx, ax
  add bx, 6
  xor cx, cx
.again:
  call wait_retrace
  inc cx
  cmp [BDA(0x6C)], bx
  jne .again
  ret

retrace:
  mov ax, 0x0013
  int 0x10
  call count_retraces
  between cx, 23, 26, "mode 13h has 70 retraces a second"
  mov ax, 0x0012
  int 0x10
  call count_retraces
  between cx, 19, 22, "mode 12h has 60"
  ; While nothing is displayed bit 0 says so, too. What interrupts in between may
  ; take longer than the retrace.
  mov cx, 20
  mov dx, STATUS
.again:
  call wait_retrace
  in al, dx
  and ax, 9
  cmp al, 9
  loopne .again
  check ax, 9, "the retrace is blank"
  ret

; 24 steps to black, one a frame, 768 bytes each.
fade:
  mov ax, 0x0013
  int 0x10
  call next_tick
  mov [ticks], ax
  mov ax, BUFFER
  mov es, ax
  mov bl, 24
.step:
  dec bl
  xor di, di
  mov cx, 768
  mov al, bl
  rep stosb
  call wait_retrace
  mov dx, 0x3C8
  xor al, al
  out dx, al
  inc dx
  push ds
  mov ax, BUFFER
  mov ds, ax
  xor si, si
  mov cx, 768
  rep outsb
  pop ds
  cmp bl, 0x10
  jne .next
  ; Half way: entry 100 is what was written.
  mov dx, 0x3C7
  mov al, 100
  out dx, al
  mov dx, 0x3C9
  in al, dx
  mov ah, al
  in al, dx
  check ax, 0x1010, "an entry of the palette is read back"
.next:
  test bl, bl
  jnz .step
  mov ax, ds
  mov es, ax
  mov ax, [BDA(0x6C)]
  sub ax, [ticks]
  between ax, 6, 7, "a fade of 24 frames takes 0.34 s"
  ret

; 320 by 240 unchained: planes by map mask, copies of all four by the latches, pages.
unchained:
  mov ax, 0x0013
  int 0x10
  index 0x3C4, 4, 0x06
  mov dx, 0x3C2
  mov al, 0xE3
  out dx, al
  index 0x3D4, 0x11, 0x2C
  index 0x3D4, 0x06, 0x0D
  index 0x3D4, 0x07, 0x3E
  index 0x3D4, 0x10, 0xEA
  index 0x3D4, 0x11, 0xAC
  index 0x3D4, 0x12, 0xDF
  index 0x3D4, 0x14, 0x00
  index 0x3D4, 0x15, 0xE7
  index 0x3D4, 0x16, 0x06
  index 0x3D4, 0x17, 0xE3
  mov ax, 0xA000
  mov es, ax
  ; Each plane its own 80 bytes.
  mov bx, 0x0102
.plane:
  mov dx, 0x3C4
  mov ax, bx
  out dx, ax
  xor di, di
  mov cx, 40
  mov al, bh
  mov ah, bh
  inc ah
  rep stosw
  shl bh, 1
  cmp bh, 0x10
  jb .plane
  ; Write mode 1: the second page, a row of it by bytes and one by words.
  index 0x3C4, 2, 0x0F
  index 0x3CE, 5, 0x41
  push ds
  push es
  pop ds
  xor si, si
  mov di, 19200
  mov cx, 80
  rep movsb
  xor si, si
  mov di, 19280
  mov cx, 40
  rep movsw
  pop ds
  index 0x3CE, 5, 0x40
  index 0x3CE, 4, 2
  check [es:19200], 0x0504, "a latched copy has plane 2"
  check [es:19278], 0x0504, "to its end"
  ; The latches of a word's second byte are there when both are written.
  check [es:19280], 0x0505, "a copy by words has the second byte twice"
  index 0x3CE, 4, 3
  check [es:19200], 0x0908, "and plane 3"
  ; Pages: the start address is read back, and takes effect with a retrace.
  call wait_retrace
  index 0x3D4, 0x0C, 19200 >> 8
  index 0x3D4, 0x0D, 19200 & 0xFF
  mov dx, 0x3D4
  mov al, 0x0C
  out dx, al
  inc dx
  in al, dx
  xor ah, ah
  check ax, 19200 >> 8, "the start address is read back"
  call count_retraces
  between cx, 19, 22, "320 by 240 has 60 retraces a second"
  mov ax, ds
  mov es, ax
  ret

; 50 rows of text by the font of 8 lines, and a font of the program's.
rows:
  mov ax, 0x0003
  int 0x10
  mov ax, 0x1112
  xor bl, bl
  int 0x10
  mov al, [BDA(0x84)]
  xor ah, ah
  check ax, 49, "50 rows of text"
  check [BDA(0x85)], 8, "characters of 8 lines"
  mov ax, 0x1100
  mov bx, 0x0800
  mov cx, 1
  mov dx, 'A'
  mov bp, glyph
  int 0x10
  mov ax, 0x1130
  mov bh, 3
  push bp
  int 0x10
  pop bp
  mov ax, ds
  mov es, ax
  ; Plane 2 has it, 32 bytes for each character.
  index 0x3C4, 2, 0x04
  index 0x3C4, 4, 0x07
  index 0x3CE, 4, 0x02
  index 0x3CE, 5, 0x00
  index 0x3CE, 6, 0x04
  push es
  mov ax, 0xA000
  mov es, ax
  check [es:32 * 'A'], 0x8142, "a character of the program's is in plane 2"
  check [es:32 * 'A' + 6], 0xFF24, "to its last line"
  pop es
  mov ax, 0x0003
  int 0x10
  mov al, [BDA(0x84)]
  xor ah, ah
  check ax, 24, "a mode set brings 25 rows back"
  ret
glyph: db 0x42, 0x81, 0, 0, 0, 0, 0x24, 0xFF

; 640 by 480 by 8 in banks.
banks:
  mov ax, 0x4F01
  mov cx, 0x101
  mov di, 0
  mov bx, BUFFER
  mov es, bx
  int 0x10
  check ax, 0x004F, "mode 101h is there"
  check [es:16], 640, "lines of 640 bytes"
  mov ax, [es:2]
  and ax, 7
  check ax, 7, "window A is read and written"
  mov ax, [es:4]
  check ax, 64, "in steps of 64 KiB"
  mov eax, [es:12]
  mov [far_window], eax
  mov ax, 0x4F02
  mov bx, 0x101
  int 0x10
  check ax, 0x004F, "it is set"
  mov ax, 0xA000
  mov es, ax
  mov dx, 3
.fill:
  mov ax, 0x4F05
  xor bx, bx
  push dx
  int 0x10
  pop dx
  mov [es:0x1234], dl
  dec dx
  jns .fill
  xor si, si
  mov dx, 3
.read:
  push dx
  xor bx, bx
  call far [far_window]
  pop dx
  mov al, [es:0x1234]
  xor ah, ah
  cmp ax, dx
  jne .wrong
  inc si
.wrong:
  dec dx
  jns .read
  check si, 4, "four banks keep four bytes, by interrupt and by far call"
  mov ax, 0x4F05
  mov bx, 0x0100
  int 0x10
  check dx, 0, "the bank is read"
  mov ax, ds
  mov es, ax
  ret

; Lines of 1024, and a picture that begins elsewhere.
lines:
  mov ax, 0x4F06
  mov bl, 0
  mov cx, 1024
  int 0x10
  check ax, 0x004F, "lines of memory become longer"
  check bx, 1024, "they have 1024 bytes"
  mov ax, 0x4F07
  mov bx, 0x0080
  mov cx, 100
  mov dx, 50
  int 0x10
  check ax, 0x004F, "the picture begins elsewhere"
  mov ax, 0x4F07
  mov bx, 1
  int 0x10
  check cx, 100, "at column 100"
  check dx, 50, "at line 50"
  ret

; Eight bits for a colour, by VBE and by the ports.
colors:
  mov ax, 0x4F08
  mov bx, 0x0800
  int 0x10
  check bx, 0x0800, "the palette has eight bits"
  mov ax, 0x4F09
  mov bx, 0
  mov cx, 1
  mov dx, 7
  mov di, blue_green_red
  int 0x10
  check ax, 0x004F, "a colour is set"
  mov dx, 0x3C7
  mov al, 7
  out dx, al
  mov dx, 0x3C9
  in al, dx
  mov ah, al
  in al, dx
  check ax, 0xC381, "red and green"
  in al, dx
  xor ah, ah
  check ax, 0x42, "blue"
  mov ax, 0x4F08
  mov bx, 0x0600
  int 0x10
  check bx, 0x0600, "and six again"
  ret
blue_green_red: db 0x42, 0x81, 0xC3, 0

; The code that 4F0Ah gives, copied and called in 32-bit protected mode.
interface:
  mov ax, 0x4F0A
  xor bx, bx
  int 0x10
  check ax, 0x004F, "there is an interface for protected mode"
  cmp ax, 0x004F
  jne .end
  push ds
  push es
  pop ds
  mov si, di
  mov ax, INTERFACE
  mov es, ax
  xor di, di
  rep movsb
  pop ds
  mov ax, ds
  mov es, ax
  cli
  lgdt [gdt_pointer]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp CODE32:protected
back:
  mov ax, ds
  mov es, ax
  sti
  mov ax, 0x4F05
  mov bx, 0x0100
  int 0x10
  check dx, 2, "it has set the bank"
  mov ax, 0x4F07
  mov bx, 1
  int 0x10
  check cx, 24, "and the column"
  check dx, 33, "and the line"
  mov dx, 0x3C7
  mov al, 9
  out dx, al
  mov dx, 0x3C9
  in al, dx
  mov ah, al
  in al, dx
  check ax, 0x0103, "and the palette"
  check [results], 0x004F, "and said so"
  check [results + 2], 0x004F, "of all"
  check [results + 4], 0x004F, "three"
interface.end:
  mov ax, 0x0003
  int 0x10
  ret

bits 32
protected:
  mov ax, FLAT
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov [saved_sp], sp
  mov esp, 0x7000
  mov esi, INTERFACE << 4
  movzx ecx, word [esi]
  add ecx, esi
  xor ebx, ebx
  mov edx, 2
  call ecx
  mov [results], ax
  ; Display start: line 33, column 24 of lines of 1024 bytes, in dwords.
  movzx eax, word [esi + 2]
  add eax, esi
  mov ebx, 0x80
  mov ecx, (33 * 1024 + 24) / 4
  xor edx, edx
  call eax
  mov [results + 2], ax
  movzx eax, word [esi + 4]
  add eax, esi
  xor ebx, ebx
  mov ecx, 2
  mov edx, 8
  mov edi, two_colors
  call eax
  mov [results + 4], ax
  movzx esp, word [saved_sp]
  mov ax, DATA16
  mov ds, ax
  mov es, ax
  mov ss, ax
  jmp CODE16:.sixteen
bits 16
.sixteen:
  mov eax, cr0
  and al, 0xFE
  mov cr0, eax
  jmp 0:.real
.real:
  xor ax, ax
  mov ds, ax
  mov ss, ax
  jmp back

two_colors: db 5, 6, 7, 0, 2, 3, 1, 0
align 8
gdt:
  dq 0
  dq 0x00CF9B000000FFFF         ; CODE32
  dq 0x00CF93000000FFFF         ; FLAT
  dq 0x00009B000000FFFF         ; CODE16
  dq 0x000093000000FFFF         ; DATA16
gdt_pointer:
  dw gdt_pointer - gdt - 1
  dd gdt
far_window: dd 0
ticks: dw 0
saved_sp: dw 0
results: times 3 dw 0

  times (PROGRAM_SECTORS + 1) * 512 - ($ - $$) db 0
