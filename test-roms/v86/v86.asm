; Virtual-8086 mode, with and without the virtual-mode extensions
; (Intel SDM Vol. 3A 22.2 and 22.3).
%include "../lib/rom.inc"

bits 32
section .data
v86_flags: dd 0x20002
v86_ds: dd 0
section .text

; enter_v86 LABEL
%macro enter_v86 1
  push dword 0                          ; GS
  push dword 0x1234                     ; FS
  push dword [v86_ds]
  push dword 0xB800                     ; ES
  push dword SCRATCH >> 4
  push dword 0x1000
  push dword [v86_flags]
  push dword SEG16
  push dword %1 - BASE
  iretd
%endmacro

; v86_raises NAME, EXPECTED, INSTRUCTION
%macro v86_raises 3+
  catch %%land
  enter_v86 %%at
bits 16
%%at: %3
%%after: ud2
bits 32
%%land:
  %if (%2) == NOFAULT
  caught %1, EXC(UD, 0), %%after - BASE
  %else
  caught %1, %2, %%at - BASE
  %endif
%endmacro

; where INT n is a trap: the saved IP is behind it
%macro v86_traps 3+
  catch %%land
  enter_v86 %%at
bits 16
%%at: %3
%%after: ud2
bits 32
%%land:
  caught %1, %2, %%after - BASE
%endmacro

main:
  call entry_and_exit
  call sensitive
  call privileged
  call memory
  call interrupts
  mov eax, 1
  cpuid
  bt edx, 1
  jnc .no_vme
  call vme
  call pvi
.no_vme:
  ret

entry_and_exit:
  mov ax, DATA
  mov fs, ax
  mov gs, ax
  mov dword [v86_ds], 0x4321
  v86_raises "IRET to virtual-8086 mode (SDM 3A 22.2.5)", NOFAULT, nop
  check_eq [fault_cs], SEG16, "CS is a segment, not a selector"
  mov eax, [fault_flags]
  and eax, 0x20000
  check_eq eax, 0x20000, "VM is in the saved flags"
  pushfd
  pop eax
  and eax, 0x20000
  check_eq eax, 0, "and clear in the handler (SDM 3A 22.2.6)"
  check_eq [fault_ss], SCRATCH >> 4, "SS is saved"
  check_eq [fault_sp], 0x1000, "SP"
  mov ebx, [fault_frame]                ; code, EIP, CS, EFLAGS, ESP, SS, ES, DS, FS, GS
  check_eq ebx, STACKI - 40, "nine doublewords, and the place of the code"
  check_eq [ebx + 24], 0xB800, "ES"
  check_eq [ebx + 28], 0x4321, "DS"
  check_eq [ebx + 32], 0x1234, "FS"
  check_eq [ebx + 36], 0, "GS"
  mov eax, fs
  check_eq eax, 0, "FS is null in the handler"
  mov eax, gs
  check_eq eax, 0, "and GS"
  mov dword [v86_ds], 0
  ret

; SDM 3A 22.2.7, 22.2.8
sensitive:
  v86_raises "IOPL 0: CLI is #GP(0)", EXC(GP, 0), cli
  v86_raises "IOPL 0: STI", EXC(GP, 0), sti
  v86_raises "IOPL 0: PUSHF", EXC(GP, 0), pushf
  v86_raises "IOPL 0: PUSHFD", EXC(GP, 0), pushfd
  v86_raises "IOPL 0: POPF", EXC(GP, 0), popf
  v86_raises "IOPL 0: IRET", EXC(GP, 0), iret
  v86_raises "IOPL 0: INT n is #GP(0)", EXC(GP, 0), int 0x50
  v86_traps "IOPL 0: INT3 is #BP", EXC(BP, 0), int3
  mov dword [v86_flags], 0x23002
  v86_raises "IOPL 3: CLI", NOFAULT, cli
  v86_raises "IOPL 3: PUSHF", NOFAULT, pushf
  mov eax, [SCRATCH + 0xFFC]
  shr eax, 16
  check_eq eax, 0x3002, "pushes the flags as they are"
  v86_raises "IOPL 3: POPF", NOFAULT, popf
  mov eax, [fault_flags]
  and eax, 0x3000
  check_eq eax, 0x3000, "cannot change IOPL"
  v86_raises "IOPL 3: POPFD", NOFAULT, popfd
  mov eax, [fault_flags]
  and eax, 0x20000
  check_eq eax, 0x20000, "cannot change VM"
  v86_traps "IOPL 3: INT n by way of the IDT", EXC(0x50, 0), int 0x50
  mov byte [IDT + 0x50 * 8 + 5], 0x8E
  v86_raises "IOPL 3: #GP(vector) through a gate of DPL 0", EXC(GP, 0x50 * 8 + 2), int 0x50
  set_descriptor FREE, 0, 0xFFFFF, 0xC09F
  mov byte [IDT + 0x50 * 8 + 5], 0xEE
  mov word [IDT + 0x50 * 8 + 2], FREE
  v86_raises "IOPL 3: #GP(selector) to conforming code", EXC(GP, FREE), int 0x50
  set_descriptor FREE, 0, 0xFFFFF, 0xC0FB
  v86_raises "IOPL 3: #GP(selector) to code of DPL 3", EXC(GP, FREE), int 0x50
  mov word [IDT + 0x50 * 8 + 2], CODE32
  v86_raises "IOPL 3: IN looks at the permission map all the same", EXC(GP, 0), in al, 0x61
  mov dword [v86_flags], 0x20002
  v86_raises "IOPL 0: so does it", EXC(GP, 0), in al, 0x61
  mov byte [TSS + 0x68 + 0x61 / 8], ~2
  v86_raises "IOPL 0: and the map allows it", NOFAULT, in al, 0x61
  mov byte [TSS + 0x68 + 0x61 / 8], 0xFF
  ret

privileged:
  v86_raises "HLT is #GP(0)", EXC(GP, 0), hlt
  v86_raises "CLTS", EXC(GP, 0), clts
  v86_raises "MOV to CR0", EXC(GP, 0), mov cr0, eax
  v86_raises "MOV from CR0", EXC(GP, 0), mov eax, cr0
  v86_raises "LGDT", EXC(GP, 0), lgdt [0]
  v86_raises "LMSW", EXC(GP, 0), lmsw ax
  v86_raises "SMSW is allowed", NOFAULT, smsw ax
  v86_raises "SGDT is allowed", NOFAULT, sgdt [ss:0]
  v86_raises "LLDT is #UD", EXC(UD, 0), lldt ax
  v86_raises "SLDT is #UD", EXC(UD, 0), sldt ax
  v86_raises "LTR is #UD", EXC(UD, 0), ltr ax
  v86_raises "LAR is #UD", EXC(UD, 0), lar ax, cx
  v86_raises "LSL is #UD", EXC(UD, 0), lsl ax, cx
  v86_raises "VERR is #UD", EXC(UD, 0), verr ax
  v86_raises "ARPL is #UD", EXC(UD, 0), arpl ax, cx
  v86_raises "WRMSR is #GP(0)", EXC(GP, 0), wrmsr
  ret

; SDM 3A 22.1.1, 22.2.2
memory:
  mov dword [v86_ds], SCRATCH >> 4
  mov word [SCRATCH + 0x200], 0xBEEF
  xor eax, eax
  v86_raises "DS is DS x 16", NOFAULT, mov ax, [0x200]
  check_eq eax, 0xBEEF, "and reads what is there"
  tcg_deviates "segment limits are not checked"
  v86_raises "#GP(0): a word at offset FFFFh", EXC(GP, 0), mov ax, [0xFFFF]
  v86_raises "#SS(0): a word at SS:FFFFh", EXC(SS_, 0), mov ax, [ss:0xFFFF]
  mov ebx, 0x10000
  v86_raises "#GP(0): a 32-bit offset of 10000h", EXC(GP, 0), mov al, [ebx]
  conforms
  v86_raises "an offset wraps at 64 KiB with 16-bit addresses", NOFAULT, mov al, [bx + 0x200]
  mov dword [v86_ds], 0xFFFF
  mov dword [0x100200], 0x0A20
  v86_raises "FFFF:0210 is 100200h", NOFAULT, mov ax, [0x210]
  movzx eax, ax
  check_eq eax, 0x0A20, "no wrap at 1 MiB with A20"
  mov dword [v86_ds], 0
  ; code runs to the end of its segment
  ret

interrupts:
  v86_raises "#UD", EXC(UD, 0), db 0x0F, 0x0B
  xor ecx, ecx
  v86_raises "#DE", EXC(DE, 0), div cx
  v86_raises "INTO without OF", NOFAULT, into
  mov dword [v86_flags], 0x20802
  v86_traps "INTO with OF at IOPL 0 is #OF, no #GP", EXC(OF, 0), into
  mov dword [v86_flags], 0x20002
  ret

; SDM 3A 22.3
vme:
  ; the redirection map lies below the I/O permission map
  mov word [TSS + 0x66], 0x88
  mov edi, TSS + 0x68
  mov ecx, 8
  xor eax, eax
  rep stosd
  mov eax, cr4
  or al, 1
  mov cr4, eax
  mov dword [v86_flags], 0xA0002        ; VM, VIF
  v86_raises "VME: CLI at IOPL 0", NOFAULT, cli
  mov eax, [fault_flags]
  and eax, 0x80200
  check_eq eax, 0, "clears VIF"
  mov dword [v86_flags], 0x20002
  v86_raises "VME: STI at IOPL 0", NOFAULT, sti
  mov eax, [fault_flags]
  and eax, 0x80200
  check_eq eax, 0x80000, "sets VIF, not IF"
  mov dword [v86_flags], 0xA0002
  v86_raises "VME: PUSHF at IOPL 0", NOFAULT, pushf
  mov eax, [SCRATCH + 0xFFC]
  shr eax, 16
  check_eq eax, 0x3202, "pushes VIF as IF, and IOPL 3"
  mov dword [SCRATCH + 0x1000], 0
  v86_raises "VME: POPF at IOPL 0", NOFAULT, popf
  mov eax, [fault_flags]
  and eax, 0x80200
  check_eq eax, 0, "moves IF to VIF"
  mov dword [SCRATCH + 0x1000], 0x100
  v86_raises "VME: POPF with TF is #GP(0)", EXC(GP, 0), popf
  mov dword [v86_flags], 0x120002       ; VIP
  v86_raises "VME: STI with VIP is #GP(0)", EXC(GP, 0), sti
  mov dword [SCRATCH + 0x1000], 0x200
  v86_raises "VME: POPF of IF with VIP is #GP(0)", EXC(GP, 0), popf
  mov dword [v86_flags], 0x20002
  v86_raises "VME: PUSHFD is still #GP(0)", EXC(GP, 0), pushfd
  ; INT n to the 8086 handler
  mov dword [0x60 * 4], SEG16 << 16 | OFFSET(.handler)
  mov dword [v86_flags], 0xA0002
  catch .redirected
  enter_v86 .int
bits 16
.int: int 0x60
.int_end: ud2
.handler: ud2
bits 32
.redirected:
  caught "VME: INT n with a clear bit in the redirection map", EXC(UD, 0), .handler - BASE
  check_eq [fault_sp], 0xFFA, "pushes three words on the 8086 stack"
  mov eax, [SCRATCH + 0xFFA]
  check_eq eax, SEG16 << 16 | OFFSET(.int_end), "IP and CS"
  movzx eax, word [SCRATCH + 0xFFE]
  check_eq eax, 0x3202, "and flags with VIF as IF"
  mov eax, [fault_flags]
  and eax, 0x80000
  check_eq eax, 0, "and clears VIF"
  mov byte [TSS + 0x68 + 0x60 / 8], 1
  v86_raises "VME: with a set bit, IOPL 0: #GP(0)", EXC(GP, 0), int 0x60
  mov dword [v86_flags], 0x23002
  v86_traps "VME: with a set bit, IOPL 3: the IDT", EXC(0x60, 0), int 0x60
  mov byte [TSS + 0x68 + 0x60 / 8], 0
  catch .redirected3
  enter_v86 .int3
bits 16
.int3: int 0x60
  ud2
bits 32
.redirected3:
  caught "VME: with a clear bit, IOPL 3: the 8086 handler", EXC(UD, 0), .handler - BASE
  mov dword [v86_flags], 0x20002
  v86_traps "VME: INT3 is not redirected", EXC(BP, 0), int3
  mov eax, cr4
  and al, ~1
  mov cr4, eax
  mov word [TSS + 0x66], 0x68
  ret

; Protected-mode virtual interrupts (SDM 3A 22.4)
pvi:
  mov eax, cr4
  or al, 2
  mov cr4, eax
  mov dword [user_flags], 0x80002
  user_raises "PVI: CLI in ring 3 at IOPL 0", EXC(SYS, 0), cli
  mov eax, [fault_flags]
  and eax, 0x80000
  check_eq eax, 0, "clears VIF"
  mov dword [user_flags], 2
  user_raises "PVI: STI in ring 3 at IOPL 0", EXC(SYS, 0), sti
  mov eax, [fault_flags]
  and eax, 0x80200
  check_eq eax, 0x80000, "sets VIF, not IF"
  mov dword [user_flags], 0x100002
  user_raises "PVI: STI with VIP is #GP(0)", EXC(GP, 0), sti
  mov dword [user_flags], 2
  mov eax, cr4
  and al, ~2
  mov cr4, eax
  ret
