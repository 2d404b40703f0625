; A boot sector that calls INT 13h from virtual-8086 mode with paging, into a
; page that is not there. Writes 0 to the exit port if the page fault came and
; the sector then was read, 10h otherwise.

bits 16
cpu 486
org 0x7C00
%include "boot.inc"

%define PAGES 0x10000           ; page directory, then the table of the first 4 MiB
%define TSS 0x12000
%define MISSING 0x30000         ; the page that is not there at first
%define CODE 8
%define DATA 0x10
%define TSSSEL 0x18
%define VM (1 << 17)
%define IOPL3 (3 << 12)

start:
  real_mode_segments
  mov ax, 0x2401
  int 0x15
  ; All zero: directory, table, TSS.
  mov ax, PAGES >> 4
  mov es, ax
  xor di, di
  xor eax, eax
  mov cx, 0x5000 / 4
  rep stosd
  mov dword [es:0], PAGES + 0x1000 + 7
  mov di, 0x1000
  mov eax, 7
.page:
  stosd
  add eax, 0x1000
  cmp di, 0x2000
  jb .page
  mov dword [es:0x1000 + 4 * (MISSING >> 12)], 0
  ; The stack of ring 0; no port is denied.
  mov dword [es:0x2004], 0x7000
  mov dword [es:0x2008], DATA
  mov dword [es:0x2066], 0x68
  lgdt [gdtr]
  lidt [idtr]
  mov eax, PAGES
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80000001
  mov cr0, eax
  jmp CODE:protected

bits 32
protected:
  mov ax, DATA
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov esp, 0x7800
  mov ax, TSSSEL
  ltr ax
  ; To virtual-8086 mode by IRET.
  xor eax, eax
  push eax                      ; GS, FS
  push eax
  push eax                      ; DS
  push dword MISSING >> 4       ; ES
  push eax                      ; SS
  push dword 0x7A00             ; SP
  push dword VM | IOPL3 | 2
  push eax                      ; CS
  push dword virtual
  iretd

; #PF: the page is put there, whatever the address.
page_fault:
  push eax
  mov eax, cr2
  and eax, ~0xFFF
  cmp eax, MISSING
  jne failed
  inc dword [ss:faults]     ; DS is null behind virtual-8086 mode
  mov dword [ss:PAGES + 0x1000 + 4 * (MISSING >> 12)], MISSING + 7
  invlpg [ss:MISSING]
  pop eax
  add esp, 4
  iretd

; #GP: INT n in virtual-8086 mode does not come here at IOPL 3, so it is wrong.
failed:
  mov al, 0x10
  out 0xF4, al
  hlt
  jmp failed

; INT 13h of virtual-8086 mode comes through gate 13h, as everything at IOPL 3
; does: it is reflected to the handler that the table at 0 names.
reflect:
  push eax
  push ebx
  ; At ESP + 8: EIP, CS, EFLAGS, ESP, SS.
  movzx ebx, word [esp + 8 + 12]
  sub ebx, 6
  mov [esp + 8 + 12], bx
  mov ax, [esp + 8]
  mov [ss:ebx], ax
  mov ax, [esp + 8 + 4]
  mov [ss:ebx + 2], ax
  mov ax, [esp + 8 + 8]
  mov [ss:ebx + 4], ax
  movzx eax, word [ss:0x13 * 4]
  mov [esp + 8], eax
  movzx eax, word [ss:0x13 * 4 + 2]
  mov [esp + 8 + 4], eax
  pop ebx
  pop eax
  iretd

bits 16
virtual:
  mov ax, 0x0201
  mov bx, 0
  mov cx, 1
  xor dx, dx
  int 0x13
  jc .failed
  cmp ax, 1
  jne .failed
  cmp word [es:510], 0xAA55
  jne .failed
  cmp dword [faults], 1
  jne .failed
  mov al, 0
  jmp short .end
.failed:
  mov al, 0x10
.end:
  out 0xF4, al
.stop:
  jmp .stop

align 4
faults: dd 0
gdtr: dw 4 * 8 - 1
  dd gdt
idtr: dw 0x14 * 8 - 1
  dd idt

align 8
gdt:
  dq 0
  dq 0x00CF9B000000FFFF
  dq 0x00CF93000000FFFF
  dw 0x2068, 0x2000, 0x8901, 0

; Vectors 0Dh, 0Eh and 13h matter; the table's first part is whatever is there.
idt equ $ - 13 * 8
  dw failed, CODE, 0xEE00, 0    ; 0Dh
  dw page_fault, CODE, 0xEE00, 0
  times 4 dq 0
  dw reflect, CODE, 0xEE00, 0   ; 13h

  times 510 - ($ - $$) db 0
  dw 0xAA55
