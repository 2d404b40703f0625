; A boot sector that calls the BIOS from protected mode: PCI by way of the BIOS32
; service directory from 32-bit code, and APM from 32-bit and from 16-bit code.
; Writes 0 to the exit port if all is as it should be, else the number of what is
; not, from 10h.

bits 16
cpu 386
org 0x7C00
%include "boot.inc"

%define CODE 0x08
%define DATA 0x10
%define CODE16 0x18
%define APM32 0x20
%define APM16 0x28
%define APMDATA 0x30

  real_mode_segments
  mov [step], byte 0x10
; Connect for 32-bit code; the segments go into the GDT.
  mov ax, 0x5303
  xor bx, bx
  int 0x15
  jc failed16
  mov [apm_entry], ebx
  movzx eax, ax
  shl eax, 4
  or [gdt + APM32 + 2], eax
  movzx ecx, cx
  shl ecx, 4
  or [gdt + APM16 + 2], ecx
  movzx edx, dx
  shl edx, 4
  or [gdt + APMDATA + 2], edx
  lgdt [gdtr]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp CODE:protected

failed16:
  mov al, [step]
  out 0xF4, al
  jmp failed16

bits 32
protected:
  mov ax, DATA
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov esp, 0x7C00
; The directory is on a paragraph of the last 128 KiB below 1 MiB.
  inc byte [step]
  mov esi, 0xE0000
.paragraph:
  cmp dword [esi], "_32_"
  je .found
  add esi, 16
  cmp esi, 0x100000
  jb .paragraph
  jmp failed
.found:
  mov edi, [esi + 4]
  mov [far_entry], edi
  mov word [far_entry + 4], CODE
  inc byte [step]
  mov eax, "$PCI"
  xor ebx, ebx
  call far [far_entry]
  test al, al
  jnz failed
; Its base and offset, in a flat segment.
  inc byte [step]
  add ebx, edx
  mov [far_entry], ebx
  mov eax, 0xB101
  call far [far_entry]
  jc failed
  cmp edx, "PCI "
  jne failed
  inc byte [step]
  mov eax, 0xB10A
  xor ebx, ebx
  xor edi, edi
  call far [far_entry]
  jc failed
  cmp ecx, 0x12378086           ; the host bridge
  jne failed
  inc byte [step]
  mov eax, 0xB108
  mov edi, 0x100
  call far [far_entry]
  jnc failed
  cmp ah, 0x87                  ; a bad register number
  jne failed

; APM from 32-bit code.
  inc byte [step]
  mov eax, [apm_entry]
  mov [far_entry], eax
  mov word [far_entry + 4], APM32
  mov eax, 0x530A
  mov ebx, 1
  call far [far_entry]
  jc failed
  cmp bh, 1                     ; on line
  jne failed
  mov eax, 0x5304
  xor ebx, ebx
  call far [far_entry]
  jc failed
  inc byte [step]
  jmp CODE16:in16

failed:
  mov al, [step]
  out 0xF4, al
  jmp failed

; APM from 16-bit code of protected mode: the entry is at the same place.
bits 16
in16:
  mov word [far_entry + 2], APM16
  mov ax, 0x530B
  call far [far_entry]
  mov bl, 0x18
  jnc .end
  cmp ah, 3                     ; not connected any more
  jne .end
  mov bl, 0
.end:
  mov al, bl
  out 0xF4, al
  jmp .end

align 4
apm_entry: dd 0
far_entry: dd 0, 0
step: db 0
gdtr: dw gdt.end - gdt - 1
  dd gdt

align 8
gdt:
  dq 0
  dq 0x00CF9B000000FFFF
  dq 0x00CF93000000FFFF
  dq 0x00009B000000FFFF
  dq 0x00409B000000FFFF         ; base of the BIOS, 32 bits
  dq 0x00009B000000FFFF         ; the same, 16 bits
  dq 0x000093000000FFFF         ; its data
.end:

  times 510 - ($ - $$) db 0
  dw 0xAA55
