; Every exception that code can raise in protected mode, with its error code and
; the instruction that the saved EIP points to, and which of two comes first
; (Intel SDM Vol. 3A 7.9, 7.13, 7.15).
%include "../lib/rom.inc"

bits 32
main:
  call vectors
  call fpu
  call selectors
  call priority
  call double_fault
  call rings
  ret

; --- 7.15: one after the other ---
vectors:
  mov eax, 1
  xor edx, edx
  xor ecx, ecx
  raises "#DE: DIV by 0 (SDM 3A 7.15 #DE)", EXC(DE, 0), div ecx
  mov edx, 2
  mov ecx, 2
  raises "#DE: DIV whose quotient is too large", EXC(DE, 0), div ecx
  check_eq edx, 2, "#DE: the dividend is kept"
  mov eax, 0x80000000
  or edx, -1
  or ecx, -1
  raises "#DE: IDIV of the least number by -1", EXC(DE, 0), idiv ecx
  raises "#DE: AAM 0", EXC(DE, 0), db 0xD4, 0
  tcg_deviates "INT1 is undefined to it"
  traps "#DB: INT1 is a trap (SDM 2A INT n)", EXC(DB, 0), db 0xF1
  conforms
  traps "#BP: INT3 is a trap (SDM 3A 7.15 #BP)", EXC(BP, 0), int3
  traps "#BP: INT 3 in two bytes", EXC(BP, 0), db 0xCD, 3
  mov al, 0x7F
  add al, 1
  traps "#OF: INTO with OF set is a trap (SDM 3A 7.15 #OF)", EXC(OF, 0), into
  xor al, al
  raises "INTO without OF does nothing", NOFAULT, into
  mov dword [SCRATCH], -5
  mov dword [SCRATCH + 4], 10
  mov eax, -6
  raises "#BR: BOUND below (SDM 3A 7.15 #BR)", EXC(BR, 0), bound eax, [SCRATCH]
  mov eax, 11
  raises "#BR: BOUND above", EXC(BR, 0), bound eax, [SCRATCH]
  mov eax, 10
  raises "BOUND includes its upper bound", NOFAULT, bound eax, [SCRATCH]
  mov eax, -5
  raises "BOUND includes its lower bound", NOFAULT, bound eax, [SCRATCH]
  raises "#UD: UD2 (SDM 3A 7.15 #UD)", EXC(UD, 0), ud2
  raises "#UD: UD1", EXC(UD, 0), db 0x0F, 0xB9, 0xC0
  raises "#UD: UD0", EXC(UD, 0), db 0x0F, 0xFF, 0xC0
  raises "#UD: LOCK before a register destination (SDM 2A LOCK)", EXC(UD, 0), db 0xF0, 0x01, 0xC8
  tcg_deviates "takes LOCK before MOV"
  raises "#UD: LOCK before MOV", EXC(UD, 0), db 0xF0, 0x89, 0x05, 0, 0, 3, 0
  conforms
  raises "#UD: LES with a register", EXC(UD, 0), db 0xC4, 0xC0, 0, 0
  raises "#UD: LEA with a register", EXC(UD, 0), db 0x8D, 0xC0
  raises "#UD: MOV to CS", EXC(UD, 0), db 0x8E, 0xC8
  raises "#UD: MOV from CR1", EXC(UD, 0), db 0x0F, 0x20, 0xC8
  raises "#UD: MOV to a segment register that is not there", EXC(UD, 0), db 0x8E, 0xF0
  raises "#UD: group 5 /7", EXC(UD, 0), db 0xFF, 0xF8
  raises "#UD: CMPXCHG8B with a register", EXC(UD, 0), db 0x0F, 0xC7, 0xC8
  ret

fpu:
  mov eax, cr0
  or al, 8
  and al, ~4
  mov cr0, eax
  raises "#NM: x87 with CR0.TS (SDM 3A 7.15 #NM)", EXC(NM, 0), fninit
  raises "CR0.TS without MP: WAIT executes", NOFAULT, wait
  or al, 2
  mov cr0, eax
  raises "#NM: WAIT with CR0.TS and MP", EXC(NM, 0), wait
  clts
  raises "WAIT with MP after CLTS", NOFAULT, wait
  mov eax, cr0
  or al, 4
  and al, ~2
  mov cr0, eax
  raises "#NM: x87 with CR0.EM", EXC(NM, 0), fninit
  and al, ~4
  or al, 0x22                           ; MP, NE
  mov cr0, eax
  fninit
  mov word [SCRATCH], 0x37B             ; unmask zero divide
  fldcw [SCRATCH]
  fldz
  fld1
  raises "an x87 error is not reported by its own instruction (SDM 3A 7.15 #MF)", NOFAULT, fdiv st1
  raises "#MF: but by the next that waits", EXC(MF, 0), wait
  tcg_deviates "reports x87 errors only on WAIT"
  raises "#MF: before the operand of FADD is read", EXC(MF, 0), fadd dword [cs:SCRATCH]
  conforms
  raises "FNSTSW does not wait", NOFAULT, fnstsw ax
  fnclex
  raises "no #MF after FNCLEX", NOFAULT, wait
  fninit
  mov eax, cr4
  or eax, 0x600
  mov cr4, eax
  mov dword [SCRATCH], 0x1D80           ; unmask zero divide
  ldmxcsr [SCRATCH]
  xorps xmm0, xmm0
  mov dword [SCRATCH], 0x3F800000
  movss xmm1, [SCRATCH]
  tcg_deviates "no SSE exceptions, no check of MXCSR"
  raises "#XM: DIVSS by 0, unmasked (SDM 3A 7.15 #XM)", EXC(XM, 0), divss xmm1, xmm0
  mov eax, cr4
  and eax, ~0x400
  mov cr4, eax
  raises "#UD: the same without CR4.OSXMMEXCPT", EXC(UD, 0), divss xmm1, xmm0
  mov dword [SCRATCH], 0x1F80
  ldmxcsr [SCRATCH]
  mov dword [SCRATCH], 0xFFFF0000
  raises "#GP(0): LDMXCSR with reserved bits (SDM 2A LDMXCSR)", EXC(GP, 0), ldmxcsr [SCRATCH]
  conforms
  raises "#GP(0): MOVAPS unaligned (SDM 2A MOVAPS)", EXC(GP, 0), movaps xmm0, [SCRATCH + 8]
  raises "MOVUPS unaligned", NOFAULT, movups xmm0, [SCRATCH + 8]
  ret

; --- error codes are selector, TI and EXT (SDM 3A 7.13) ---
selectors:
  mov eax, FREE + 3
  raises "#GP(selector): DS = a descriptor of type 0; RPL is not in the code", EXC(GP, FREE), mov ds, eax
  mov eax, 0x1000 | 4
  raises "#GP(selector): LDT is null, TI is in the code", EXC(GP, 0x1004), mov ds, eax
  mov eax, 0xFFF8
  raises "#GP(selector): behind the limit of the GDT", EXC(GP, 0xFFF8), mov ds, eax
  set_descriptor FREE, 0, 0xFFFFF, 0xC013
  mov eax, FREE
  raises "#NP(selector): DS not present (SDM 3A 7.15 #NP)", EXC(NP, FREE), mov ds, eax
  raises "#SS(selector): SS not present (SDM 3A 7.15 #SS)", EXC(SS_, FREE), mov ss, eax
  xor eax, eax
  raises "#GP(0): SS = null", EXC(GP, 0), mov ss, eax
  raises "DS = null is allowed", NOFAULT, mov ds, eax
  catch .null_used
  mov es, eax
.null_use: mov eax, [es:SCRATCH]
.null_used:
  tcg_deviates "null segments can be used"
  caught "#GP(0): but not its use", EXC(GP, 0), .null_use
  conforms
  set_gate32 IDT, 0x41, CODE32, 0, 0x6E
  raises "#NP(vector, IDT): INT n through a gate not present", EXC(NP, 0x41 * 8 + 2), int 0x41
  set_gate32 IDT, 0x41, CODE32, 0, 0xE9
  raises "#GP(vector, IDT): INT n through a descriptor that is no gate", EXC(GP, 0x41 * 8 + 2), int 0x41
  set_gate32 IDT, 0x41, DATA, 0, 0xEE
  raises "#GP(selector): INT n through a gate to data", EXC(GP, DATA), int 0x41
  set_gate32 IDT, 0x41, 0, 0, 0xEE
  raises "#GP(0): INT n through a gate with a null selector", EXC(GP, 0), int 0x41
  set_gate32 IDT, 6, CODE32, 0, 0x6E
  tcg_deviates "EXT is never set"
  raises "#NP: EXT is set when an exception finds its gate not present", EXC(NP, 6 * 8 + 3), ud2
  conforms
  set_gate32 IDT, 6, CODE32, stubs_32 + 6 * STUB, 0xEE
  lidt [.short_idt]
  raises "#GP(vector, IDT): behind the limit of the IDT", EXC(GP, 0x41 * 8 + 2), int 0x41
  lidt [idt_pointer]
  mov eax, CODE32
  raises "#GP(selector): LTR of code (SDM 2A LTR)", EXC(GP, CODE32), ltr ax
  mov eax, TSSSEL
  raises "#GP(selector): LTR of a busy TSS", EXC(GP, TSSSEL), ltr ax
  raises "#GP(selector): LLDT of a TSS (SDM 2A LLDT)", EXC(GP, TSSSEL), lldt ax
  xor eax, eax
  tcg_deviates "TR can be null"
  raises "#GP(0): LTR of null", EXC(GP, 0), ltr ax
  conforms
  and byte [gdt + TSSSEL + 5], ~2
  mov eax, TSSSEL
  ltr ax
  xor eax, eax
  raises "LLDT of null is allowed", NOFAULT, lldt ax
  skip_on_tcg .control, "it takes any CR0 and CR4"
  mov eax, cr0
  or eax, 0x80000000
  and eax, ~1
  raises "#GP(0): CR0.PG without PE (SDM 2A MOV CR)", EXC(GP, 0), mov cr0, eax
  mov eax, cr0
  or eax, 0x20000000
  and eax, ~0x40000000
  raises "#GP(0): CR0.NW without CD", EXC(GP, 0), mov cr0, eax
  mov eax, cr4
  or eax, 0x80000000
  raises "#GP(0): CR4 with a reserved bit", EXC(GP, 0), mov cr4, eax
.control:
  ; INT n to ring 1, whose stack in the TSS is none
  set_descriptor FREE + 8, 0, 0xFFFFF, 0xC0BB
  set_gate32 IDT, 0x42, FREE + 9, 0, 0xEE
  mov dword [TSS + 16], FREE + 0x21
  user_raises "#TS(SS1): to ring 1 with a bad SS1 (SDM 3A 7.15 #TS)", EXC(TS, FREE + 0x20), int 0x42
  mov dword [TSS + 16], DATA
  user_raises "#TS(SS1): SS1 of DPL 0", EXC(TS, DATA), int 0x42
  mov dword [TSS + 16], 0
  user_raises "#TS(0): SS1 null", EXC(TS, 0), int 0x42
  ret
.short_idt: dw 0x41 * 8 - 1
  dd IDT

; --- SDM 3A 7.9, table 7-2: what is found first ---
priority:
  set_descriptor FREE, 0, 0xFFFFF, 0xC013
  mov eax, CODE32 | 3
  raises "type before presence: LLDT of code", EXC(GP, CODE32), lldt ax
  set_descriptor FREE, 0, 0xFFFFF, 0xC01B ; code, not present
  mov eax, FREE
  raises "type before presence: SS = absent code", EXC(GP, FREE), mov ss, eax
  set_descriptor FREE, 0, 0xFFFFF, 0xC073 ; data DPL 3, not present
  raises "privilege before presence: SS with DPL 3", EXC(GP, FREE), mov ss, eax
  user_raises "#GP before #UD: HLT in ring 3", EXC(GP, 0), hlt
  tcg_deviates "privilege is checked first"
  user_raises "#UD before #GP: LOCK HLT in ring 3", EXC(UD, 0), db 0xF0, 0xF4
  user_raises "#UD before #GP: MOV to CR1 in ring 3", EXC(UD, 0), db 0x0F, 0x22, 0xC8
  conforms
  mov eax, cr0
  or al, 8
  mov cr0, eax
  tcg_deviates "takes LOCK before x87"
  raises "#UD before #NM: LOCK FNOP", EXC(UD, 0), db 0xF0, 0xD9, 0xD0
  conforms
  raises "#NM before #GP: MOVAPS unaligned with CR0.TS", EXC(NM, 0), movaps xmm0, [SCRATCH + 8]
  mov eax, cr0
  or al, 4
  mov cr0, eax
  tcg_deviates "CR0.TS is checked first"
  raises "#UD before #NM: SSE with CR0.EM and TS", EXC(UD, 0), movaps xmm0, xmm1
  conforms
  and al, ~12
  mov cr0, eax
  ret

; --- SDM 3A 7.15 #DF, table 7-5 ---
double_fault:
  mov word [IDT + 13 * 8], 0
  mov byte [IDT + 13 * 8 + 5], 0        ; #GP has no gate
  mov eax, 0xFFF8
  raises "#GP in the delivery of #GP is #DF(0)", EXC(DF, 0), mov ds, eax
  mov byte [IDT + 13 * 8 + 5], 0xEE
  mov byte [IDT + 5], 0                 ; #DE has no gate
  xor ecx, ecx
  mov byte [IDT + 13 * 8 + 5], 0x6E
  raises "#DE, then #GP for its gate, is #DF(0)", EXC(DF, 0), div ecx
  set_gate32 IDT, 13, CODE32, stubs_32 + 13 * STUB, 0xEE
  set_gate32 IDT, 0, CODE32, stubs_32, 0xEE
  mov byte [IDT + 6 * 8 + 5], 0         ; #UD has none
  tcg_deviates "EXT is never set"
  raises "#UD, then #GP, is no #DF: benign and contributory", EXC(GP, 6 * 8 + 3), ud2
  conforms
  set_gate32 IDT, 6, CODE32, stubs_32 + 6 * STUB, 0xEE
  ret

; --- privilege ---
rings:
  user_raises "ring 3 code runs and returns", EXC(SYS, 0), nop
  check_eq [fault_cs], UCODE32, "CS is that of ring 3"
  check_eq [fault_ss], UDATA, "SS is that of ring 3"
  check_eq [fault_sp], STACK3, "ESP is that of ring 3"
  user_raises "#GP(0): CLI, IOPL 0 (SDM 2A CLI)", EXC(GP, 0), cli
  user_raises "#GP(0): STI, IOPL 0", EXC(GP, 0), sti
  user_raises "#GP(0): IN AL, the permission map denies it (SDM 1 20.5.2)", EXC(GP, 0), in al, 0x61
  user_raises "#GP(0): OUT DX, AL", EXC(GP, 0), out dx, al
  user_raises "#GP(0): CLTS", EXC(GP, 0), clts
  user_raises "#GP(0): LGDT", EXC(GP, 0), lgdt [gdt_pointer]
  user_raises "#GP(0): MOV from CR0", EXC(GP, 0), mov eax, cr0
  user_raises "#GP(0): MOV to DR7", EXC(GP, 0), mov dr7, eax
  user_raises "#GP(0): WRMSR", EXC(GP, 0), wrmsr
  user_raises "#GP(0): INVD", EXC(GP, 0), invd
  user_raises "#GP(0): INVLPG", EXC(GP, 0), invlpg [0]
  user_raises "SGDT (without UMIP)", EXC(SYS, 0), sgdt [SCRATCH]
  user_raises "PUSHFD", EXC(SYS, 0), pushfd
  mov dword [user_flags], 0x3002
  user_raises "IOPL 3: CLI", EXC(SYS, 0), cli
  user_raises "IOPL 3: IN AL, 61h", EXC(SYS, 0), in al, 0x61
  mov dword [user_flags], 2
  mov byte [TSS + 0x68 + 0x61 / 8], ~2
  user_raises "the permission map allows port 61h", EXC(SYS, 0), in al, 0x61
  user_raises "#GP(0): but not a word there", EXC(GP, 0), in ax, 0x61
  mov byte [IDT + 0x43 * 8 + 5], 0x8E
  user_raises "#GP(vector, IDT): INT n through a gate of DPL 0", EXC(GP, 0x43 * 8 + 2), int 0x43
  mov byte [IDT + 3 * 8 + 5], 0x8E
  user_raises "#GP(vector, IDT): INT3 through a gate of DPL 0", EXC(GP, 3 * 8 + 2), int3
  mov byte [IDT + 1 * 8 + 5], 0x8E
  catch .int1
  enter_user .int1_at
.int1_at: db 0xF1
.int1:
  tcg_deviates "INT1 is undefined to it"
  caught "INT1 does not look at the DPL", EXC(DB, 0), .int1_at + 1
  conforms
  mov byte [IDT + 6 * 8 + 5], 0x8E
  user_raises "nor does an exception", EXC(UD, 0), ud2
  ; alignment check (SDM 3A 7.15 #AC)
  mov eax, cr0
  or eax, 0x40000
  mov cr0, eax
  mov dword [user_flags], 0x40002
  tcg_deviates "no #AC in system emulation"
  user_raises "#AC(0): a dword at an odd address with CR0.AM and AC", EXC(AC, 0), mov eax, [SCRATCH + 1]
  user_raises "#AC(0): a word", EXC(AC, 0), mov ax, [SCRATCH + 1]
  catch .pushed
  enter_user .push_at
.push_at:
  dec esp
.push: push eax
  int SYS
.pushed:
  caught "#AC(0): PUSH on an odd stack", EXC(AC, 0), .push
  conforms
  user_raises "no #AC for a byte", EXC(SYS, 0), mov al, [SCRATCH + 1]
  user_raises "no #AC for an aligned dword", EXC(SYS, 0), mov eax, [SCRATCH + 4]
  mov dword [user_flags], 2
  user_raises "no #AC without EFLAGS.AC", EXC(SYS, 0), mov eax, [SCRATCH + 1]
  ret
