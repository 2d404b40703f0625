; Changes of mode: protected, real, long, compatibility, and what survives them
; (Intel SDM Vol. 3A 11.9, 10.8.5, 22.1; AMD APM Vol. 2 14.6).
%include "../lib/rom.inc"

bits 32
section .data
align 8
seen: times 16 dq 0
section .text

main:
  call real
  call real_faults
  call unreal
  call sixteen
  call long_and_back
  call compatibility
  call refused
  ret

real:
  mov dword [0x21 * 4], SEG16 << 16 | OFFSET(.handler)
  mov word [SCRATCH], 0x1111
  real_on
  smsw ax
  mov bx, cs
  mov cx, SCRATCH >> 4
  mov ds, cx
  mov dx, [0]
  mov [2], ax
  mov [4], bx
  mov [6], dx
  mov word [8], sp
  int 0x21
.after:
  mov [10], di
  mov [12], sp
  pushf
  pop word [14]
  mov si, 0xFFFF
  mov ds, si
  mov cx, [0x10 + 0x10]                 ; FFFF:0020 is 100010h
  mov ax, SCRATCH >> 4
  mov ds, ax
  mov [16], cx
  real_off
  movzx eax, word [SCRATCH + 2]
  and eax, 1
  check_eq eax, 0, "real mode: PE is clear (SDM 3A 11.9.2)"
  movzx eax, word [SCRATCH + 4]
  check_eq eax, SEG16, "CS is a segment"
  movzx eax, word [SCRATCH + 6]
  check_eq eax, 0x1111, "DS is a segment: selector x 16"
  movzx eax, word [SCRATCH + 8]
  check_eq eax, 0x7C00, "SP"
  movzx eax, word [SCRATCH + 10]
  check_eq eax, 0x2121, "INT 21h by way of the vector table at 0 (SDM 3A 22.1.4)"
  movzx eax, word [SCRATCH + 12]
  check_eq eax, 0x7C00, "and IRET"
  movzx eax, word [seen]
  check_eq eax, OFFSET(.after), "IP was pushed"
  movzx eax, word [seen + 2]
  check_eq eax, SEG16, "and CS"
  mov ax, [0x100010]
  cmp ax, [SCRATCH + 16]
  check_cc e, "FFFF:0020 is 100010h with A20"
  ret
bits 16
.handler:
  mov di, sp
  mov ax, [ss:di]
  mov [dword cs:seen - BASE], ax
  mov ax, [ss:di + 2]
  mov [dword cs:seen - BASE + 2], ax
  mov di, 0x2121
  iret
bits 32

; real-mode exceptions push no error code (SDM 3A 22.1.4)
real_faults:
  mov edi, 0
  mov eax, SEG16 << 16 | OFFSET(.handler)
  mov ecx, 32
  rep stosd
  real_on
  push cs
  pop ds
  mov word [dword seen - BASE], 0
  mov bx, .gp - BASE
.gp_at: mov ax, [0xFFFF]
.gp:
  mov [dword seen - BASE + 8], si
  mov [dword seen - BASE + 10], di
  mov bx, .ud - BASE
  xor si, si
.ud_at: lldt ax
.ud:
  mov [dword seen - BASE + 12], si
  mov bx, .de - BASE
  xor si, si
  xor cx, cx
.de_at: div cx
.de:
  mov [dword seen - BASE + 14], si
  mov bx, .idt - BASE
  o32 lidt [.short - BASE]
  xor si, si
.idt_at: int 0x30
.idt:
  mov [dword seen - BASE + 16], si
  mov [dword seen - BASE + 18], di
  jmp .end
.short: dw 32 * 4 - 1
  dd 0
.handler:                               ; lands at BX; SI is the saved IP, DI the stack used
  mov di, sp
  mov si, [ss:di]
  mov sp, 0x7C00
  push cs
  push bx
  push cs
  pop ds
  retf
.end:
  real_off
  tcg_deviates "segment limits are not checked"
  movzx eax, word [seen + 8]
  check_eq eax, OFFSET(.gp_at), "real mode: a word at offset FFFFh faults"
  movzx eax, word [seen + 10]
  check_eq eax, 0x7C00 - 6, "and pushes three words: no error code"
  conforms
  movzx eax, word [seen + 12]
  check_eq eax, OFFSET(.ud_at), "LLDT is #UD"
  movzx eax, word [seen + 14]
  check_eq eax, OFFSET(.de_at), "DIV by 0"
  movzx eax, word [seen + 16]
  check_eq eax, OFFSET(.idt_at), "INT n behind the limit of the IDT is a fault"
  ret

; a limit of 4 GiB that stays when PE is cleared
unreal:
  mov dword [0x200000], 0
  mov ebp, esp
  lidt [real_idt]
  jmp CODE16:.sixteen - BASE
bits 16
.sixteen:
  mov ax, DATA                          ; 4 GiB
  mov ds, ax
  mov ax, DATA16
  mov ss, ax
  mov eax, cr0
  and al, ~1
  mov cr0, eax
  jmp SEG16:.real - BASE
.real:
  mov ebx, 0x200000
  mov dword [ebx], 0x600D600D
  xor ax, ax
  mov ss, ax
  mov sp, 0x7C00
  mov ds, ax                            ; sets the base, keeps the limit
  mov dword [ebx + 4], 0x600D0002
  real_off
  check_eq [0x200000], 0x600D600D, "real mode keeps the 4-GiB limit of DS (SDM 3A 11.9.2)"
  check_eq [0x200004], 0x600D0002, "also when DS is loaded there"
  ret

; 16-bit protected mode
sixteen:
  mov ebp, esp
  jmp CODE16:.code - BASE
bits 16
.code:
  mov ax, 0x1234
  mov ecx, 0xABCD0003
  mov bx, 0
.loop: inc bx
  loop .loop                            ; CX
  mov [dword seen], ecx
  mov [dword seen + 8], bx
  jmp dword CODE32:.back
bits 32
.back:
  check_eq [seen], 0xABCD0000, "LOOP counts CX with 16-bit addresses"
  movzx eax, word [seen + 8]
  check_eq eax, 3, "three times"
  ret

long_and_back:
  mov esi, 0x51515151
  long_on
  mov rax, -1
  mov rcx, rax
  shr rcx, 63
  mov [seen], rcx
  mov r15, 0x123456789ABCDEF0
  mov ecx, 0xC0000080
  rdmsr
  mov [seen + 8], rax
  long_off
  check_eq [seen], 1, "64-bit registers"
  mov eax, [seen + 8]
  and eax, 0x500
  check_eq eax, 0x500, "EFER.LMA and LME (SDM 3A 10.8.5)"
  mov ecx, 0xC0000080
  rdmsr
  and eax, 0x400
  check_eq eax, 0, "LMA is clear once paging is off"
  check_eq esi, 0x51515151, "ESI is kept"
  long_on
  mov rax, r15
  shr rax, 32
  ; the SDM leaves the upper halves and R8 to R15 undefined across this: no check
  mov rax, 0xFFFFFFFF80000000
  mov eax, eax
  check_eq rax, 0x80000000, "a 32-bit result clears the upper half (SDM 1 3.4.1.1)"
  mov ax, 1
  mov rcx, -1
  mov cx, 5
  mov rdx, -1 - 0xFFFF + 5
  check_eq rcx, rdx, "a 16-bit result does not"
  long_off
  ret

; 32-bit code in long mode
compatibility:
  long_on
  mov [seen + 24], rsp
  mov ebx, 0
  jmp far dword [.pointer]
.pointer: dd .code
  dw CODE32
bits 32
.code:
  mov eax, DATA
  mov ds, eax
  mov ss, eax
  dec ebx                               ; 4B: DEC here, REX there
  mov [seen], ebx
  inc eax                               ; 40
  mov [seen + 4], eax
  push dword 0x12345678
  mov [seen + 8], esp
  pop eax
  mov edx, cs
  mov [seen + 12], edx
  aam                                   ; a legacy instruction
  jmp CODE64:.back
bits 64
.back:
  mov eax, [seen + 12]
  check_eq rax, CODE32, "compatibility mode: a far JMP to code without L (SDM 3A 2.2.1)" 
  mov eax, [seen]
  check_eq rax, 0xFFFFFFFF, "4Bh is DEC EBX"
  mov eax, [seen + 4]
  check_eq rax, DATA + 1, "40h is INC EAX"
  mov eax, [seen + 24]
  sub eax, [seen + 8]
  check_eq rax, 4, "PUSH is 4 bytes"
  ; exceptions in compatibility mode come to 64-bit code
  catch .caught
  jmp far dword [.pointer2]
.pointer2: dd .faulting
  dw CODE32
bits 32
.faulting: ud2
bits 64
.caught:
  caught "#UD in compatibility mode is handled in 64-bit code", EXC(UD, 0), .faulting
  check_eq [fault_cs], CODE32, "CS of the fault"
  ; L and D both set
  mov word [gdt + FREE], 0xFFFF
  mov word [gdt + FREE + 2], 0
  mov dword [gdt + FREE + 4], 0x00EF9B00
  tcg_deviates "no check"
  raises "#GP(selector): code with L and D set (SDM 3A 3.4.5)", EXC(GP, FREE), jmp far dword [.pointer3]
  conforms
  long_off
  ret
.pointer3: dd 0
  dw FREE
bits 32

refused:
  ; paging with LME but without PAE (SDM 3A 10.8.5)
  call long_tables
  mov eax, TABLES
  mov cr3, eax
  mov ecx, 0xC0000080
  rdmsr
  or eax, 0x100
  wrmsr
  mov eax, cr4
  and al, ~0x20
  mov cr4, eax
  mov eax, cr0
  or eax, 0x80000000
  skip_on_tcg .enabled, "it does not check for PAE"
  raises "#GP(0): CR0.PG with EFER.LME but without CR4.PAE", EXC(GP, 0), mov cr0, eax
.enabled:
  mov ecx, 0xC0000080
  rdmsr
  and eax, ~0x100
  wrmsr
  ret
