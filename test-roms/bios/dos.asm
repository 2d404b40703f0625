; A floppy that uses BIOS and PC as programs of DOS's time do: transfers across a
; DMA boundary, a diskette parameter table of its own, the area above 1 MiB, segments
; larger than 64 KiB in real mode, chained timer and keyboard interrupts, timers
; programmed anew, code that changes itself, and a monitor that runs all of it in
; virtual-8086 mode without VME, reflecting interrupts to the BIOS.
;
; Everything holds on SeaBIOS as well. The image ends after what it holds; what is
; missing up to 1.44 MB is zeroes. Output is TAP, see tap16.inc.

bits 16
cpu 386
org 0x7C00
%include "boot.inc"
%include "tap16.inc"

%define PROGRAM_SECTORS 16
%define BUFFER 0x2000           ; a segment
%define BDA(offset) (0x400 + offset)
; What the monitor has, above the buffer.
%define TSS 0x2_1000
%define TSS_SIZE (104 + 8192 + 1)
%define IDT 0x2_4000
%define VECTORS 0x78
%define MONITOR_STACK 0x2_6000
%define V86_STACK 0x7A00
%define LEAVE_V86 0xFE          ; the interrupt that ends it
%define IF 0x200
%define TF 0x100
%define VM 0x20000
; Selectors.
%define CODE32 0x08
%define FLAT 0x10
%define TASK 0x18
%define CODE16 0x20
%define DATA16 0x28

start:
  jmp 0:.here
.here:
  real_mode_segments
  sti
  mov [boot_drive], dl
  mov ax, 0x0200 + PROGRAM_SECTORS
  mov bx, program
  mov cx, 2
  xor dh, dh
  int 0x13
  jnc program
  int 0x18

boot_drive: db 0
  times 510 - ($ - $$) db 0
  dw 0xAA55

program:
  call serial_open
  call floppy
  call high_memory
  call large_segments
  call timer
  call keyboard
  call screen
  call data_area
  call own_code
  call v86
  jmp finish

; Reads AL sectors from the disk's first on to ES:0.
read_first:
  mov ah, 0x02
  xor bx, bx
  mov cx, 1
  xor dh, dh
  mov dl, [boot_drive]
  int 0x13
  ret

floppy:
  mov ax, 0x1FF0
  mov es, ax
  mov al, 2
  call read_first
  pushf
  mov al, 0
  mov [word_a], ax
  popf
  carry
  check ax, 1, "a transfer across 64 KiB fails"
  check [word_a], 0x0900, "by error 09h"
  mov ax, 0x1FE0
  mov es, ax
  mov al, 1
  call read_first
  carry
  check ax, 0, "one that ends there does not"
  check [es:510], 0xAA55, "and has been read"

  ; A diskette parameter table in RAM: INT 1Eh.
  push ds
  lds si, [0x1E * 4]
  xor ax, ax
  mov es, ax
  mov di, parameters
  mov cx, 11
  rep movsb
  pop ds
  mov al, [parameters + 4]
  mov ah, 0
  check ax, 18, "the last sector by INT 1Eh"
  mov byte [parameters + 9], 1  ; head settle time, ms
  mov eax, [0x1E * 4]
  mov [dword_a], eax
  mov dword [0x1E * 4], parameters
  xor ah, ah
  mov dl, [boot_drive]
  int 0x13
  carry
  check ax, 0, "a reset with a table of ours"
  mov ax, BUFFER
  mov es, ax
  mov word [es:510], 0
  mov al, 1
  call read_first
  check [es:510], 0xAA55, "a read with it"
  mov eax, [dword_a]
  mov [0x1E * 4], eax
  mov ah, 0x16
  mov dl, [boot_drive]
  int 0x13
  and ax, 0xF900                ; SeaBIOS always says 06h
  check ax, 0, "nothing is wrong with the change line"
  ; A whole track at once.
  mov ax, 0x1000
  mov es, ax
  mov ax, 0x0212
  xor bx, bx
  mov cx, 1
  xor dh, dh
  mov dl, [boot_drive]
  int 0x13
  mov ah, 0
  check ax, 18, "18 sectors are a track"
  xor ax, ax
  mov es, ax
  ret

high_memory:
  mov ax, 0x2401
  int 0x15
  mov ax, 0xFFFF
  mov es, ax
  mov word [es:0xFFFE], 0x5AA5
  mov word [es:0x510], 0x1357   ; 100500h
  mov word [0x500], 0x2468
  check [es:0x510], 0x1357, "above 1 MiB is not below"
  check [es:0xFFFE], 0x5AA5, "to the end of the segment"
  in al, 0x92
  and ax, 2
  check ax, 2, "port 92h knows of A20"
  xor ax, ax
  mov es, ax
  ret

large_segments:
  cli
  lgdt [gdt_pointer]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp short .protected
.protected:
  mov bx, FLAT
  mov fs, bx
  and al, 0xFE
  mov cr0, eax
  jmp short .real
.real:
  xor ax, ax
  mov fs, ax
  sti
  mov ebx, 0x120000
  mov dword [fs:ebx], 0xC0DE4321
  check [fs:ebx], 0x4321, "a segment of 4 GiB in real mode"
  check [fs:ebx + 2], 0xC0DE, "both its words"
  ret

timer:
  cli
  mov eax, [8 * 4]
  mov [old_8], eax
  mov word [8 * 4], on_8
  mov [8 * 4 + 2], cs
  mov eax, [0x1C * 4]
  mov [old_1c], eax
  mov word [0x1C * 4], on_1c
  mov [0x1C * 4 + 2], cs
  mov ax, [BDA(0x6C)]
  mov [word_a], ax
  sti
.wait:
  hlt
  cmp word [ticks_1c], 3
  jb .wait
  cli
  mov ax, [ticks_8]
  check ax, [ticks_1c], "each INT 8 is an INT 1Ch"
  mov ax, [BDA(0x6C)]
  sub ax, [word_a]
  check ax, [ticks_8], "and counts in the data area"

  ; What the counter says of itself, and that it counts.
  mov al, 0xE2
  out 0x43, al
  in al, 0x40
  and ax, 0x30
  check ax, 0x30, "counter 0 takes both bytes"
  call latched
  mov cx, 200
.pass:
  in al, 0x61
  loop .pass
  mov bx, ax
  call latched
  cmp ax, bx
  setne al
  mov ah, 0
  check ax, 1, "it counts"

  ; Sixteen times as fast, timed by counter 2.
  mov al, 0x36
  out 0x43, al
  mov al, 0
  out 0x40, al
  mov al, 0x10
  out 0x40, al
  mov word [ticks_1c], 0
  sti
.first:
  hlt
  cmp word [ticks_1c], 1
  jb .first
  in al, 0x61
  and al, 0xFD
  or al, 1
  out 0x61, al
  mov al, 0xB0
  out 0x43, al
  mov al, 0xFF
  out 0x42, al
  out 0x42, al
.five:
  hlt
  cmp word [ticks_1c], 5
  jb .five
  mov al, 0x80
  out 0x43, al
  in al, 0x42
  mov ah, al
  in al, 0x42
  xchg al, ah
  neg ax
  cli
  cmp ax, 0x3000                ; four periods of 1000h, less or more one
  setae bl
  cmp ax, 0x5000
  setbe bh
  check bx, 0x0101, "four ticks take four periods"
  mov al, 0x36
  out 0x43, al
  mov al, 0
  out 0x40, al
  out 0x40, al
  mov eax, [old_8]
  mov [8 * 4], eax
  mov eax, [old_1c]
  mov [0x1C * 4], eax
  sti
  ret

; Counter 0, latched by the read-back command.
latched:
  mov al, 0xD2
  out 0x43, al
  in al, 0x40
  mov ah, al
  in al, 0x40
  xchg al, ah
  ret

on_8:
  inc word [cs:ticks_8]
  jmp far [cs:old_8]

on_1c:
  inc word [cs:ticks_1c]
  iret

keyboard:
  cli
  mov eax, [9 * 4]
  mov [old_9], eax
  mov word [9 * 4], on_9
  mov [9 * 4 + 2], cs
  sti
  ; The controller says that the key A was pressed.
  call controller_ready
  mov al, 0xD2
  out 0x64, al
  call controller_ready
  mov al, 0x1E
  out 0x60, al
  mov ah, 0x10
  int 0x16
  check ax, 0x1E61, "a key through INT 9"
  mov al, [scan_code]
  mov ah, 0
  check ax, 0x1E, "which saw it first"
  cli
  mov eax, [old_9]
  mov [9 * 4], eax
  sti
  mov ah, 0x11
  int 0x16
  setz al
  mov ah, 0
  check ax, 1, "there is no other key"
  mov ah, 0x05
  mov cx, 0x8500
  int 0x16
  mov ah, 0x11
  int 0x16
  mov bx, ax
  setnz al
  mov ah, 0
  check ax, 1, "one that was put in"
  check bx, 0x8500, "can be looked at: F11"
  mov ah, 0x10
  int 0x16
  check ax, 0x8500, "and taken"
  mov byte [BDA(0x17)], 0x40
  mov ah, 0x12
  int 0x16
  mov ah, 0
  check ax, 0x40, "shift states are the data area's"
  mov byte [BDA(0x17)], 0

  ; The lights, without interrupts.
  cli
  mov al, 0xED
  call to_keyboard
  check ax, 0xFA, "the keyboard takes the command for its lights"
  mov al, 2
  call to_keyboard
  check ax, 0xFA, "and which"
  sti
  ret

; Sends AL to the keyboard; what it answers in AX.
to_keyboard:
  call controller_ready
  out 0x60, al
  mov cx, 0xFFFF
.wait:
  in al, 0x64
  test al, 1
  loopz .wait
  in al, 0x60
  mov ah, 0
  ret

; Waits until the controller takes a byte.
controller_ready:
  push ax
.wait:
  in al, 0x64
  test al, 2
  jnz .wait
  pop ax
  ret

on_9:
  push ax
  in al, 0x60
  mov [cs:scan_code], al
  pop ax
  jmp far [cs:old_9]

%define AT(row, column) ((row * 80 + column) * 2)
screen:
  mov ax, 3
  int 0x10
  mov ax, 0xB800
  mov es, ax
  mov ah, 0x0F
  int 0x10
  check ax, 0x5003, "80 columns, mode 3"
  mov ah, 0x02
  mov bh, 0
  mov dx, 0x050A
  int 0x10
  mov ax, 0x0E00 + 'X'
  mov bx, 7
  int 0x10
  mov ah, 0x03
  mov bh, 0
  int 0x10
  check dx, 0x050B, "a character moves the cursor"
  mov dx, 0x050A
  mov ah, 0x02
  int 0x10
  mov ah, 0x08
  int 0x10
  check ax, 0x0700 + 'X', "and is there"
  check [es:AT(5, 10)], 0x0700 + 'X', "in memory, too"
  mov ax, 0x0601
  mov bh, 0x1F
  xor cx, cx
  mov dx, 0x184F
  int 0x10
  check [es:AT(4, 10)], 0x0700 + 'X', "the window scrolls"
  check [es:AT(24, 79)], 0x1F20, "what is new has the colour"
  mov ax, 0x0702
  mov bh, 0x2E
  mov cx, 0x0308
  mov dx, 0x060C
  int 0x10
  check [es:AT(6, 10)], 0x0700 + 'X', "part of it scrolls down"
  check [es:AT(3, 8)], 0x2E20, "in its own colour"
  mov ah, 0x02
  mov bh, 0
  mov dx, 0x184F
  int 0x10
  mov ax, 0x0E00 + 'Y'
  mov bx, 7
  int 0x10
  mov ah, 0x03
  mov bh, 0
  int 0x10
  check dx, 0x1800, "behind the last column the screen scrolls"
  mov al, [es:AT(23, 79)]
  mov ah, 0
  check ax, 'Y', "by a line"
  xor ax, ax
  mov es, ax
  ret

data_area:
  mov al, [BDA(0x49)]
  mov ah, 0
  check ax, 3, "40:49, the mode"
  check [BDA(0x4A)], 80, "40:4A, columns"
  check [BDA(0x50)], 0x1800, "40:50, the cursor"
  check [BDA(0x63)], 0x3D4, "40:63, the CRTC"
  mov al, [BDA(0x84)]
  mov ah, 0
  check ax, 24, "40:84, the last row"
  int 0x12
  check ax, [BDA(0x13)], "40:13 is INT 12h"
  mov ax, [BDA(0x0E)]
  shr ax, 6
  check ax, [BDA(0x13)], "40:0E, the EBDA, is what is missing"
  int 0x11
  check ax, [BDA(0x10)], "40:10 is INT 11h"
  mov ax, 0x1600
  int 0x2F
  check ax, 0x1600, "INT 2Fh without anybody returns"
  ret

own_code:
  mov byte [.patched + 1], 0x42
.patched:
  mov al, 0
  mov ah, 0
  check ax, 0x42, "the next instruction is what was written"
  xor dx, dx
  mov cx, 300
.again:
  inc word [.add + 2]
.add:
  add dx, strict word 0
  loop .again
  check dx, 45150, "in a loop, too"
  ; Words to a port.
  mov si, own_code
  mov cx, 5
  mov dx, 0x80
  rep outsw
  sub si, own_code
  mov [word_a], si
  check [word_a], 10, "REP OUTSW goes through its words"
  check cx, 0, "all of them"
  ret

; --- the monitor ---
v86:
  mov [real_stack], sp
  cli
  ; A task state whose I/O map allows everything.
  mov ax, TSS >> 4
  mov es, ax
  xor di, di
  xor ax, ax
  mov cx, TSS_SIZE / 2
  rep stosw
  mov byte [es:TSS_SIZE - 1], 0xFF
  mov dword [es:4], MONITOR_STACK
  mov word [es:8], FLAT
  mov word [es:102], 104
  ; Gates.
  mov ax, IDT >> 4
  mov es, ax
  xor di, di
  mov ax, stubs
  mov cx, VECTORS
.gate:
  stosw
  mov [es:di], word CODE32
  mov [es:di + 2], word 0x8E00
  mov [es:di + 4], word 0
  add di, 6
  add ax, 8
  loop .gate
  xor ax, ax
  mov es, ax
  lgdt [gdt_pointer]
  lidt [idt_pointer]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp dword CODE32:.protected

bits 32
.protected:
  mov ax, FLAT
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov esp, MONITOR_STACK
  mov ax, TASK
  ltr ax
  xor eax, eax
  push eax                      ; GS, FS, DS, ES, SS
  push eax
  push eax
  push eax
  push eax
  push dword V86_STACK
  push dword VM | IF | 2        ; IOPL 0
  push eax
  push dword in_v86
  iretd

; Eight bytes each.
align 8
stubs:
%assign n 0
%rep VECTORS
  push byte n
  jmp near monitor
  align 8
  %assign n n + 1
%endrep

; The frame behind the pushed vector, and behind #GP's error code: from EBP on.
%define F_IP ebp
%define F_CS ebp + 4
%define F_FLAGS ebp + 8
%define F_SP ebp + 12
%define F_SS ebp + 16

monitor:
  pushad
  mov ax, FLAT
  mov ds, ax
  mov es, ax
  lea ebp, [esp + 36]
  mov eax, [esp + 32]
  cmp al, 0x0D                  ; IRQ 5 is masked
  jne reflect
  add ebp, 4
  movzx ebx, word [F_CS]
  shl ebx, 4
  add ebx, [F_IP]
  movzx eax, byte [ebx + 1]
  movzx edx, word [F_SS]
  shl edx, 4
  movzx ecx, word [F_SP]
  add edx, ecx                  ; the caller's stack
  mov bl, [ebx]
  inc word [F_IP]
  cmp bl, 0xCD                  ; INT n
  je .int
  cmp bl, 0xCF
  je .iret
  cmp bl, 0x9C
  je .pushf
  cmp bl, 0x9D
  je .popf
  cmp bl, 0xFA
  je .cli
  cmp bl, 0xFB
  je .sti
  cmp bl, 0xF4                  ; HLT: it comes back, and halts again
  je resume
  mov [unknown], bl
  jmp leave_v86
.int:
  inc word [F_IP]
  cmp al, LEAVE_V86
  jne reflect
  jmp leave_v86
.iret:
  mov ax, [edx]
  mov [F_IP], ax
  mov ax, [edx + 2]
  mov [F_CS], ax
  add word [F_SP], 6
  mov ax, [edx + 4]
  jmp .flags
.popf:
  add word [F_SP], 2
  mov ax, [edx]
.flags:
  and ax, 0x0FD5
  or al, 2
  mov [F_FLAGS], ax
  jmp resume
.pushf:
  sub word [F_SP], 2
  mov ax, [F_FLAGS]
  mov [edx - 2], ax
  jmp resume
.cli:
  and dword [F_FLAGS], ~IF
  jmp resume
.sti:
  or dword [F_FLAGS], IF
  jmp resume

; Calls vector EAX of the BIOS's table, as the processor does in real mode.
reflect:
  inc dword [reflected]
  movzx edx, word [F_SS]
  shl edx, 4
  sub word [F_SP], 6
  movzx ecx, word [F_SP]
  add edx, ecx
  mov cx, [F_IP]
  mov [edx], cx
  mov cx, [F_CS]
  mov [edx + 2], cx
  mov cx, [F_FLAGS]
  mov [edx + 4], cx
  and dword [F_FLAGS], ~(IF | TF)
  movzx ecx, word [eax * 4]
  mov [F_IP], ecx
  movzx ecx, word [eax * 4 + 2]
  mov [F_CS], ecx
resume:
  mov [frame], ebp
  popad
  mov esp, [frame]
  iretd

leave_v86:
  jmp CODE16:.narrow

bits 16
.narrow:
  mov ax, DATA16
  mov ds, ax
  mov es, ax
  mov fs, ax
  mov gs, ax
  mov ss, ax
  mov eax, cr0
  and al, 0xFE
  mov cr0, eax
  jmp 0:.real
.real:
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov sp, [real_stack]
  lidt [real_idt]
  sti
  mov al, [unknown]
  mov ah, 0
  check ax, 0, "the monitor knew every instruction"
  cmp dword [reflected], 100
  setae al
  mov ah, 0
  check ax, 1, "and has reflected interrupts"
  mov ax, BUFFER
  mov es, ax
  mov word [es:510], 0
  mov al, 1
  call read_first
  check [es:510], 0xAA55, "real mode again: INT 13h"
  ret

; In virtual-8086 mode.
in_v86:
  smsw ax
  and ax, 1
  check ax, 1, "protected mode is on"
  mov ax, BUFFER
  mov es, ax
  mov word [es:510], 0
  mov al, 1
  call read_first
  carry
  check ax, 0, "INT 13h in virtual-8086 mode"
  check [es:510], 0xAA55, "has read"
  mov al, 0x36                  ; a write to a port by the program itself
  out 0x43, al
  mov al, 0
  out 0x40, al
  out 0x40, al
  mov ax, [BDA(0x6C)]
  mov [word_a], ax
  sti
.wait:
  hlt
  mov ax, [BDA(0x6C)]
  sub ax, [word_a]
  cmp ax, 2
  jb .wait
  check ax, 2, "ticks come"
  cli
  pushf
  pop ax
  sti
  pushf
  pop bx
  and ax, IF
  and bx, IF
  check ax, 0, "CLI clears the interrupt flag"
  check bx, IF, "STI sets it"
  mov ax, 0x0E00 + 'V'
  mov bx, 7
  int 0x10
  mov ah, 0x11
  int 0x16
  setz al
  mov ah, 0
  check ax, 1, "INT 16h"
  mov ax, 0x2402
  int 0x15
  check ax, 1, "INT 15h: A20 is on"
  int LEAVE_V86

  tap_routines

align 8
gdt:
  dq 0
  dq 0x00CF9B000000FFFF         ; code, 32 bits
  dq 0x00CF93000000FFFF         ; data, 4 GiB
  dw TSS_SIZE - 1, TSS & 0xFFFF
  db TSS >> 16, 0x89, 0, 0
  dq 0x00009B000000FFFF         ; code, 16 bits
  dq 0x000093000000FFFF         ; data, 64 KiB
.end:
gdt_pointer:
  dw gdt.end - gdt - 1
  dd gdt
idt_pointer:
  dw VECTORS * 8 - 1
  dd IDT
real_idt:
  dw 0x3FF
  dd 0
align 4
frame: dd 0
reflected: dd 0
dword_a: dd 0
old_8: dd 0
old_1c: dd 0
old_9: dd 0
word_a: dw 0
ticks_8: dw 0
ticks_1c: dw 0
real_stack: dw 0
scan_code: db 0
unknown: db 0
parameters: times 11 db 0

  times 512 + PROGRAM_SECTORS * 512 - ($ - $$) db 0
