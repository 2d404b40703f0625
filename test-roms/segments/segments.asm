; What segments allow: types, limits, granularity, direction, the null selector,
; the instructions that ask about descriptors (Intel SDM Vol. 3A 3.4.5, 6.3, 6.4,
; 6.5, 6.10).
%include "../lib/rom.inc"

bits 32
%define SEG FREE
main:
  set_descriptor SEG, SCRATCH, 0xFFF, 0x4093      ; data, limit FFFh
  set_descriptor SEG + 8, SCRATCH, 0xFFF, 0x4091  ; read only
  set_descriptor SEG + 0x10, SCRATCH, 0xFFF, 0x4097 ; expand-down, 32-bit
  set_descriptor SEG + 0x18, SCRATCH, 0xFFF, 0x0097 ; expand-down, 16-bit
  set_descriptor SEG + 0x20, 0, 0xFFFFF, 0xC099   ; code, execute only
  set_descriptor SEG + 0x28, SCRATCH, 0xF, 0xC093 ; 16 pages
  set_descriptor SEG + 0x30, 0, 0xFFFFF, 0xC09F   ; conforming code
  set_descriptor SEG + 0x38, SCRATCH, 0, 0x4093   ; one byte
  set_descriptor SEG + 0x40, SCRATCH, 0xFFFF, 0x0093 ; 16-bit stack
  set_descriptor SEG + 0x48, 0, 0xFFFFF, 0xC092   ; data, not accessed
  set_descriptor SEG + 0x50, 0, 0xFFFFF, 0xC0F1   ; DPL 3, read only
  set_descriptor SEG + 0x58, 0, 0xFFFFF, 0xC09B   ; code, readable
  set_descriptor SEG + 0x60, SCRATCH, 0xFFFFF, 0xC097 ; expand-down of no bytes
  set_descriptor SEG + 0x68, 0, 0xFFFFF, 0xC0B3   ; data, DPL 1
  call limits
  call types
  call loads
  call queries
  call stacks
  ret

; with_fs NAME, EXPECTED, SELECTOR, INSTRUCTION
%macro with_fs 4+
  mov ax, %3
  mov fs, ax
  raises %1, %2, %4
%endmacro

limits:
  with_fs "the last dword below the limit (SDM 3A 6.3)", NOFAULT, SEG, mov eax, [fs:0xFFC]
  tcg_deviates "segment limits are not checked"
  with_fs "#GP(0): a dword across the limit", EXC(GP, 0), SEG, mov eax, [fs:0xFFD]
  with_fs "#GP(0): a byte behind it", EXC(GP, 0), SEG, mov al, [fs:0x1000]
  with_fs "#GP(0): a write across it", EXC(GP, 0), SEG, mov [fs:0xFFD], eax
  with_fs "#GP(0): a word that wraps round 4 GiB", EXC(GP, 0), SEG, mov ax, [fs:0xFFFFFFFF]
  with_fs "#GP(0): limit 0 is one byte, not two", EXC(GP, 0), SEG + 0x38, mov ax, [fs:0]
  with_fs "#GP(0): G counts pages", EXC(GP, 0), SEG + 0x28, mov al, [fs:0x10000]
  with_fs "#GP(0): expand-down: at the limit (SDM 3A 6.3)", EXC(GP, 0), SEG + 0x10, mov al, [fs:0xFFF]
  with_fs "#GP(0): expand-down, 16-bit: above FFFFh", EXC(GP, 0), SEG + 0x18, mov al, [fs:0x10000]
  with_fs "#GP(0): expand-down, 16-bit: a word across FFFFh", EXC(GP, 0), SEG + 0x18, mov ax, [fs:0xFFFF]
  with_fs "#GP(0): expand-down with limit FFFFFFFFh holds nothing", EXC(GP, 0), SEG + 0x60, mov al, [fs:0xFFFFFFFF]
  with_fs "#GP(0): XLATB", EXC(GP, 0), SEG, fs xlatb
  with_fs "#GP(0): FLD m80 across the limit", EXC(GP, 0), SEG, fld tword [fs:0xFF8]
  conforms
  skip_on_tcg .inside_limits, "LGDT would load what is behind the limit"
  with_fs "#GP(0): LGDT", EXC(GP, 0), SEG, lgdt [fs:0xFFC]
.inside_limits:
  with_fs "limit 0 is one byte", NOFAULT, SEG + 0x38, mov al, [fs:0]
  with_fs "the last byte of 16 pages", NOFAULT, SEG + 0x28, mov al, [fs:0xFFFF]
  with_fs "expand-down: above the limit", NOFAULT, SEG + 0x10, mov al, [fs:0x1000]
  with_fs "expand-down, 16-bit: FFFFh", NOFAULT, SEG + 0x18, mov al, [fs:0xFFFF]
  ; string instructions: what is done before the fault stays
  mov ax, SEG
  mov es, ax
  mov edi, 0xFF8
  mov ecx, 5
  mov eax, 0x12345678
  tcg_deviates "segment limits are not checked"
  raises "#GP(0): REP STOSD across the limit", EXC(GP, 0), rep stosd
  check_eq ecx, 3, "ECX counts what is left (SDM 2B REP)"
  check_eq edi, 0x1000, "EDI is at the element that failed"
  conforms
  push ss
  pop es
  ; the limit of code
  set_descriptor SEG + 0x70, 0, 0, 0x409B
  mov eax, .beyond
  mov [gdt + SEG + 0x70], ax
  shr eax, 16
  or [gdt + SEG + 0x76], al
  catch .fetched
  jmp SEG + 0x70:.inside
.inside: nop
.beyond: nop
  nop
  mov eax, [landing]
.fetched:
  ; the byte at the limit is the last: the fault is at the next
  tcg_deviates "segment limits are not checked"
  caught "#GP(0): fetch behind the limit of CS", EXC(GP, 0), .beyond + 1
  conforms
  jmp CODE32:.flat
.flat:
  catch .jumped
.jump: jmp SEG + 0x70:.flat
.jumped:
  caught "#GP(0): a far jump to an offset behind the limit", EXC(GP, 0), .jump
  jmp CODE32:.flat_again
.flat_again:
  ret

types:
  tcg_deviates "types are not checked on access"
  with_fs "#GP(0): a write to read-only data (SDM 3A 6.4)", EXC(GP, 0), SEG + 8, mov [fs:0], eax
  with_fs "#GP(0): a write to code", EXC(GP, 0), SEG + 0x58, mov [fs:SCRATCH], eax
  raises "#GP(0): a write by way of CS", EXC(GP, 0), mov [cs:SCRATCH], eax
  with_fs "#GP(0): an XCHG with read-only data", EXC(GP, 0), SEG + 8, xchg [fs:0], eax
  with_fs "#GP(0): a null selector: read", EXC(GP, 0), 0, mov eax, [fs:0]
  with_fs "#GP(0): null with an RPL: read", EXC(GP, 0), 3, mov eax, [fs:0]
  conforms
  with_fs "a read of read-only data", NOFAULT, SEG + 8, mov eax, [fs:0]
  with_fs "a read of readable code", NOFAULT, SEG + 0x58, mov eax, [fs:SCRATCH]
  with_fs "null: LEA reads nothing", NOFAULT, 0, lea eax, [fs:0]
  catch .read
  jmp SEG + 0x20:.exec_only
.exec_only: mov eax, [cs:SCRATCH]
.read:
  tcg_deviates "types are not checked on access"
  caught "#GP(0): a read of execute-only code", EXC(GP, 0), .exec_only
  conforms
  jmp CODE32:.back
.back:
  ret

loads:
  mov ax, SEG + 0x20
  raises "#GP(selector): DS = execute-only code (SDM 2B MOV)", EXC(GP, SEG + 0x20), mov ds, ax
  mov ax, SEG + 0x22
  raises "#GP: its RPL is not in the code", EXC(GP, SEG + 0x20), mov ds, ax
  mov ax, SEG + 8
  raises "#GP(selector): SS = read-only data", EXC(GP, SEG + 8), mov ss, ax
  mov ax, SEG + 0x58
  raises "#GP(selector): SS = code", EXC(GP, SEG + 0x58), mov ss, ax
  mov ax, DATA + 1
  raises "#GP(selector): SS with RPL 1 in ring 0", EXC(GP, DATA), mov ss, ax
  mov ax, UDATA & ~3
  raises "#GP(selector): SS with DPL 3 in ring 0", EXC(GP, UDATA & ~3), mov ss, ax
  mov ax, DATA + 3
  raises "#GP(selector): DS with RPL 3 and DPL 0", EXC(GP, DATA), mov ds, ax
  mov ax, TSSSEL
  raises "#GP(selector): DS = a TSS", EXC(GP, TSSSEL), mov ds, ax
  mov ax, SEG + 0x33
  raises "conforming code is loaded with any RPL", NOFAULT, mov fs, ax
  mov ax, SEG + 0x50
  raises "DS = data of DPL 3", NOFAULT, mov fs, ax
  mov ax, SEG + 0x48
  mov fs, ax
  movzx eax, byte [gdt + SEG + 0x48 + 5]
  check_eq eax, 0x93, "a load sets the accessed bit (SDM 3A 3.4.5.1)"
  mov ax, DATA
  user_raises "#GP(selector): ring 3: DS = data of DPL 0", EXC(GP, DATA), mov ds, ax
  mov ax, SEG + 0x68
  user_raises "#GP(selector): ring 3: DS = data of DPL 1", EXC(GP, SEG + 0x68), mov ds, ax
  mov ax, SEG + 0x30
  user_raises "ring 3: DS = conforming code of DPL 0", EXC(SYS, 0), mov fs, ax
  ; the cache: a changed descriptor counts only when it is loaded
  mov ax, SEG
  mov fs, ax
  set_descriptor SEG, 0, 0, 0x0000
  raises "a segment register keeps what it loaded (SDM 3A 3.4.3)", NOFAULT, mov eax, [fs:0xFFC]
  set_descriptor SEG, SCRATCH, 0xFFF, 0x4093
  ; IRET to ring 3 clears what ring 3 may not have
  mov ax, DATA
  mov fs, ax
  mov ax, SEG + 0x33
  mov gs, ax
  user_raises "IRET to ring 3 with FS of DPL 0, GS conforming", EXC(SYS, 0), nop
  mov eax, fs
  check_eq eax, 0, "FS is null then (SDM 2A IRET)"
  mov eax, gs
  check_eq eax, SEG + 0x33, "GS is kept"
  ret

; LAR, LSL, VERR, VERW, ARPL (SDM 3A 6.10; 2A LAR, LSL)
queries:
  mov ecx, SEG
  lsl eax, ecx
  check_cc z, "LSL of data"
  check_eq eax, 0xFFF, "gives its limit"
  mov ecx, SEG + 0x28
  lsl eax, ecx
  check_eq eax, 0xFFFF, "in bytes, with G too"
  mov ecx, TSSSEL
  lsl eax, ecx
  check_cc z, "LSL of a TSS"
  lar eax, ecx
  check_eq eax, 0x8B00, "LAR gives the access rights"
  mov ecx, SEG
  lar eax, ecx
  check_eq eax, 0x409300, "with G and D"
  mov eax, 0x55
  mov ecx, 0
  lar eax, ecx
  check_cc nz, "LAR of null clears ZF"
  check_eq eax, 0x55, "and keeps the register"
  mov ecx, 0xFFF8
  lar eax, ecx
  check_cc nz, "LAR behind the table clears ZF"
  mov ecx, SEG + 3
  lar eax, ecx
  check_cc nz, "LAR with RPL 3 of DPL 0 clears ZF"
  mov ecx, SEG + 0x33
  lar eax, ecx
  check_cc z, "LAR with RPL 3 of conforming code"
  set_gate32 gdt, (SEG + 0x78) / 8, CODE32, 0, 0x8E
  mov ecx, SEG + 0x78
  lar eax, ecx
  check_cc nz, "LAR of an interrupt gate clears ZF"
  mov byte [gdt + SEG + 0x78 + 5], 0x8C
  lar eax, ecx
  check_cc z, "LAR of a call gate"
  lsl eax, ecx
  check_cc nz, "LSL of a call gate clears ZF"
  mov ecx, SEG + 8
  verr cx
  check_cc z, "VERR of read-only data"
  verw cx
  check_cc nz, "VERW of read-only data clears ZF"
  mov ecx, SEG + 0x20
  verr cx
  check_cc nz, "VERR of execute-only code clears ZF"
  mov ecx, SEG + 0x58
  verw cx
  check_cc nz, "VERW of code clears ZF"
  mov ecx, SEG
  verw cx
  check_cc z, "VERW of data"
  mov eax, SEG
  mov ecx, 3
  arpl ax, cx
  check_cc z, "ARPL raises the RPL"
  check_eq eax, SEG + 3, "to that of the other"
  mov ecx, 1
  arpl ax, cx
  check_cc nz, "and never lowers it"
  ret

; The size of the stack pointer is that of SS (SDM 3A 6.5, 3.4.5)
stacks:
  mov ebp, esp
  mov ax, SEG + 0x40
  mov ss, ax
  mov esp, 0xABCD0000
  push eax                              ; wraps within 64 KiB
  mov ebx, esp
  mov ax, DATA
  mov ss, ax
  mov esp, ebp
  check_eq ebx, 0xABCDFFFC, "PUSH with a 16-bit SS changes SP only"
  mov ax, SEG + 0x40
  mov ss, ax
  mov esp, 0x1000
  push dword 0x77
  mov ss, [cs:.flat]
  mov esp, ebp
  mov eax, [SCRATCH + 0xFFC]
  check_eq eax, 0x77, "and writes there"
  ; in ring 3, so that the frame goes to another stack
  set_descriptor SEG + 0x70, SCRATCH, 0xFFF, 0x40F3
  catch .pushed
  enter_user .user
.user:
  mov ax, SEG + 0x73
  mov ss, ax
  mov esp, 0x1001
.push: push eax
.pushed:
  tcg_deviates "segment limits are not checked"
  caught "#SS(0): PUSH across the limit of SS (SDM 3A 7.15 #SS)", EXC(SS_, 0), .push
  check_eq [fault_sp], 0x1001, "ESP is what it was before the PUSH"
  conforms
  tcg_deviates "segment limits are not checked"
  catch .read
  enter_user .read3
.read3:
  mov ax, SEG + 0x73
  mov ss, ax
.at: mov eax, [ss:0x1000]
  int SYS
.read:
  caught "#SS(0): a read by way of SS behind its limit", EXC(SS_, 0), .at
  catch .read_bp
  enter_user .read_bp3
.read_bp3:
  mov ax, SEG + 0x73
  mov ss, ax
  mov ebp, 0x2000
.at_bp: mov eax, [ebp]
  int SYS
.read_bp:
  caught "#SS(0): a read by way of EBP", EXC(SS_, 0), .at_bp
  conforms
  ret
.flat: dw DATA
