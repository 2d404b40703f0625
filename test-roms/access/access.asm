; Accesses that lie across two pages: they happen as a whole or not at all, and
; fault at the page that fails (Intel SDM Vol. 3A 7.5, 5.7; Vol. 1 4.1.1).
%include "../lib/rom.inc"

bits 32
%define V 0x8000000000                  ; pages: present, absent, read-only, present
%define PML4E (TABLES + 8)
%define PDPTE AREA
%define PDE (AREA + 0x1000)
%define PTE (AREA + 0x2000)
%define FRAME (SCRATCH + 0x4000)
%define FRAMER (SCRATCH + 0x6000)
%define FRAME2 (SCRATCH + 0x8000)

main:
  long_on
  mov edi, AREA
  mov ecx, 0x3000 / 8
  xor eax, eax
  rep stosq
  mov qword [PML4E], PDPTE + 7
  mov qword [PDPTE], PDE + 7
  mov qword [PDE], PTE + 7
  mov qword [PTE], FRAME + 7
  mov qword [PTE + 0x10], FRAMER + 5
  mov qword [PTE + 0x18], FRAME2 + 7
  mov qword [PTE + 0x20], FRAME + 7
  mov rax, cr0
  or eax, 0x10000                       ; WP
  mov cr0, rax
  mov rbx, V + 0x1000                   ; the absent page
  mov rbp, V + 0x2000                   ; the read-only page
  mov r12, V + 0x4000                   ; FRAME again, behind FRAME2
  call second_half
  call first_half
  call read_only
  call whole
  call stacks
  call multiple
  call descriptors
  mov rax, cr0
  and eax, ~0x10000
  mov cr0, rax
  long_off
  ret

bits 64
%define AT (rbx - 3)                    ; an address whose second half is absent

; faults_second NAME, WRITE (0 or 2), INSTRUCTION
%macro faults_second 3+
  raises %1, EXC(PF, %2), %3
  check_eq [fault_cr2], rbx, "CR2 is the first byte of the page that failed (SDM 3A 5.7)"
%endmacro

second_half:
  mov rax, 0x1111111111111111
  mov qword [FRAME + 0xFF8], rax
  fninit
  mov rax, -1
  faults_second "MOV from memory", 0, mov eax, [AT]
  check_eq rax, -1, "the register is as before"
  faults_second "MOV of a quadword to memory", 2, mov [AT], rax
  mov rcx, 0x1111111111111111
  check_eq [FRAME + 0xFF8], rcx, "nothing was written to the page that is there"
  tcg_deviates "reported as a read"
  faults_second "ADD to memory", 2, add [AT], eax
  check_eq [FRAME + 0xFF8], rcx, "nothing was written"
  faults_second "LOCK XADD", 2, lock xadd [AT], eax
  faults_second "XCHG", 2, xchg [AT], eax
  check_eq rax, -1, "the register is as before"
  faults_second "CMPXCHG", 2, cmpxchg [AT], ecx
  mov eax, 64
  faults_second "BTS with a bit offset of 64", 2, bts [rbx - 12], rax
  conforms
  faults_second "MOVUPS store", 2, movups [AT], xmm0
  faults_second "MOVUPS load", 0, movups xmm0, [AT]
  faults_second "MOVQ store", 2, movq [AT], xmm0
  faults_second "FLD m80", 0, fld tword [AT]
  fldz
  faults_second "FSTP m80", 2, fstp tword [AT]
  fnstsw ax
  and eax, 0x3800
  check_eq rax, 0x3800, "FSTP has not popped"
  fninit
  faults_second "FNSTENV", 2, fnstenv [AT]
  raises "FXSAVE", EXC(PF, 2), fxsave [rbx - 16]
  mov rdx, [fault_cr2]
  and rdx, ~0xFFF
  check_eq rdx, rbx, "CR2 is in the page that failed"
  tcg_deviates "reported as a read"
  faults_second "CMPXCHG16B (aligned: at the absent page)", 2, cmpxchg16b [rbx]
  conforms
  lea rsi, [AT]
  mov edi, SCRATCH
  faults_second "MOVSD: the load", 0, movsd
  tcg_deviates "FXSAVE and the like write what they can"
  check_eq [FRAME + 0xFF8], rcx, "nothing was written by all of these"
  conforms
  ret

first_half:
  ; the absent page first, then the read-only one
  lea rdi, [rbp - 3]
  raises "the first half is absent: CR2 is the address", EXC(PF, 0), mov rax, [rdi]
  check_eq [fault_cr2], rdi, "CR2"
  raises "a write whose halves both fail: the lower is reported", EXC(PF, 2), mov [rdi], rax
  check_eq [fault_cr2], rdi, "CR2"
  ret

read_only:
  ; from the read-only page to a writable one, and the other way
  lea rdi, [rbp + 0xFFC]
  raises "a write from a read-only page on", EXC(PF, 3), mov [rdi], rax
  check_eq [fault_cr2], rdi, "CR2"
  raises "a read is no matter", NOFAULT, mov rax, [rdi]
  mov dword [FRAME2], 0x12345678
  raises "a write to the page behind it", NOFAULT, mov [rdi + 4], eax
  ret

; unaligned accesses across two pages that are there
whole:
  lea rdi, [r12 - 3]
  mov rax, 0x8877665544332211
  mov [rdi], rax
  mov rcx, [rdi]
  check_eq rcx, rax, "a quadword across two pages"
  mov ecx, [FRAME2 + 0xFFD]
  and ecx, 0xFFFFFF
  check_eq rcx, 0x332211, "its lower bytes are at the end of the first"
  mov rcx, [FRAME]
  shl rcx, 24
  shr rcx, 24
  mov rdx, 0x8877665544
  check_eq rcx, rdx, "its upper ones at the start of the second"
  lock inc qword [rdi]
  mov rcx, [rdi]
  inc rax
  check_eq rcx, rax, "LOCK INC across two pages"
  movups xmm0, [r12 - 7]
  movups [r12 - 5], xmm0
  mov rcx, [r12 - 1]
  check_eq rcx, rax, "MOVUPS across two pages"
  fld1
  fstp tword [r12 - 5]
  fld tword [r12 - 5]
  fistp dword [SCRATCH]
  check_eq [SCRATCH], 1, "FSTP and FLD m80 across two pages"
  ret

stacks:
  ; PUSH, CALL to a stack that ends: RSP is as before
  catch .a
  enter_user .push
.push:
  mov rsp, V + 0x2000 + 3
.push_at: push rax
  int SYS
.a:
  caught "PUSH across into a page that is not there, ring 3", EXC(PF, 6), .push_at
  mov rax, V + 0x2003
  check_eq [fault_sp], rax, "RSP is as before"
  catch .b
  enter_user .call
.call:
  mov rsp, V + 0x2004
.call_at: call .call
  int SYS
.b:
  caught "CALL", EXC(PF, 6), .call_at
  catch .c
  enter_user .enter
.enter:
  mov rsp, V + 0x1008
  mov rbp, V + 0x800
.enter_at: enter 0x100, 0
  int SYS
.c:
  mov rbp, V + 0x2000
  caught "ENTER whose last byte of frame is absent", EXC(PF, 6), .enter_at
  ; POP
  catch .d
  mov rsp, V + 0x1000 - 4
.pop_at: pop rax
.d:
  caught "POP across into a page that is not there", EXC(PF, 0)
  ret

; instructions of several accesses
multiple:
  lea rsi, [rbx - 4]
  mov edi, SCRATCH
  mov ecx, 5
  raises "REP MOVSB into the absent page", EXC(PF, 0), rep movsb
  check_eq rcx, 1, "four bytes are done"
  check_eq rsi, rbx, "RSI is where it failed"
  check_eq rdi, SCRATCH + 4, "RDI has moved along"
  lea rdi, [rbx - 6]
  mov ecx, 4
  mov eax, 0x5A5A5A5A
  raises "REP STOSD: the second is half absent", EXC(PF, 2), rep stosd
  check_eq rcx, 3, "one is done"
  lea rdx, [rbx - 2]
  check_eq rdi, rdx, "RDI is at the one that failed"
  check_eq [fault_cr2], rbx, "CR2 is the page"
  ; RSI, RDI of MOVSD when the store fails
  mov esi, SCRATCH
  mov rdi, rbx
  raises "MOVSD: the store fails", EXC(PF, 2), movsd
  check_eq rsi, SCRATCH, "RSI is as before"
  mov rdi, rbx
  mov ecx, 3
  raises "REPE SCASB at the absent page", EXC(PF, 0), repe scasb
  check_eq rcx, 3, "RCX is as before"
  ; XLAT, MASKMOVDQU of nothing
  pxor xmm1, xmm1
  pcmpeqb xmm1, xmm1
  lea rdi, [rbx - 8]
  raises "MASKMOVDQU with its second half absent", EXC(PF, 2), maskmovdqu xmm0, xmm1
  ret

; the processor's own accesses: a descriptor in an LDT that lies across
descriptors:
  mov dword [gdt + FREE], 0x00000FFF
  lea rax, [rbx - 12]                   ; entry 8 begins 4 bytes before the absent page
  mov rcx, rax
  and ecx, 0xFFFFFF
  shl rcx, 16
  or rcx, 0xFFF
  bts rcx, 41
  bts rcx, 47                           ; LDT, present
  mov rdx, rax
  shr rdx, 24
  and edx, 0xFF
  shl rdx, 56
  or rcx, rdx
  mov [gdt + FREE], rcx
  shr rax, 32
  mov [gdt + FREE + 8], rax
  mov ecx, FREE
  lldt cx
  mov ecx, 0xC
  raises "MOV FS: its descriptor is half absent", EXC(PF, 0), mov fs, ecx
  check_eq [fault_cr2], rbx, "CR2 is the page"
  mov ecx, 0xF
  user_raises "in ring 3: the access is the supervisor's", EXC(PF, 0), mov fs, ecx
  xor ecx, ecx
  lldt cx
  ret
