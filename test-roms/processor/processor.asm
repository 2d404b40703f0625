; CPUID and MSRs: what CPUID says fits together and with what the processor does,
; registers refuse what they must (Intel SDM Vol. 2A CPUID, 3A 2.2, 2.5, 2.6,
; 10.4; Vol. 4).
%include "../lib/rom.inc"

bits 32
section .data
align 8
leaf1_ecx: dq 0
leaf1_edx: dq 0
leaf7_ebx: dq 0
leaf7_ecx: dq 0
ext_edx: dq 0
ext_ecx: dq 0
amd: db 0
section .text

%macro read_msr_raises 2                ; name, MSR
  mov ecx, %2
  raises %1, EXC(GP, 0), rdmsr
%endmacro

; write_raises NAME, EXPECTED, MSR, HIGH, LOW
%macro write_raises 5
  mov ecx, %3
  mov edx, %4
  mov eax, %5
  raises %1, %2, wrmsr
%endmacro

main:
  call leaves
  call features
  call controls
  call msrs
  call time
  call long_mode
  call umip
  ret

leaves:
  ; EFLAGS.ID can be changed
  pushfd
  pop eax
  mov ebx, eax
  xor eax, 0x200000
  push eax
  popfd
  pushfd
  pop eax
  push ebx
  popfd
  xor eax, ebx
  check_eq eax, 0x200000, "EFLAGS.ID can be changed (SDM 1 3.4.3.3)"
  xor eax, eax
  cpuid
  cmp eax, 1
  check_cc ae, "leaf 0: at least leaf 1 is there"
  cmp ecx, 'cAMD'
  sete [amd]
  mov eax, 0x80000000
  cpuid
  cmp eax, 0x80000008
  check_cc ae, "leaf 80000000h: leaf 80000008h is there"
  mov eax, 1
  cpuid
  mov [leaf1_ecx], ecx
  mov [leaf1_edx], edx
  shr ebx, 8
  and ebx, 0xFF
  check_eq ebx, 8, "leaf 1: CLFLUSH lines of 64 bytes"
  mov eax, 0x80000001
  cpuid
  mov [ext_edx], edx
  mov [ext_ecx], ecx
  mov eax, 7
  xor ecx, ecx
  cpuid
  mov [leaf7_ebx], ebx
  mov [leaf7_ecx], ecx
  cmp byte [amd], 0
  je .intel
  mov eax, [leaf1_edx]
  xor eax, [ext_edx]
  and eax, 0x0183F3FF & ~0x800
  check_eq eax, 0, "AMD: leaf 80000001h repeats the bits of leaf 1"
.intel:
  mov eax, 0x80000008
  cpuid
  movzx ebx, al
  cmp ebx, 36
  check_cc ae, "leaf 80000008h: at least 36 physical address bits"
  cmp ebx, 52
  check_cc be, "and at most 52"
  shr eax, 8
  and eax, 0xFF
  mov ebx, 48
  bt dword [leaf7_ecx], 16
  jnc .four
  mov ebx, 57
.four:
  check_eq eax, ebx, "48 linear address bits, 57 with LA57"
  ; the brand string is text
  mov eax, 0x80000002
  cpuid
  test al, al
  check_cc nz, "leaf 80000002h: there is a brand string"
  mov eax, 0x40000000
  cpuid
  mov eax, 0x7FFFFFFF
  cpuid
  check_eq 1, 1, "a leaf that is not there raises nothing"
  ret

; SDM 2A CPUID: what one feature needs of others
%macro implies 5                        ; register A, bit, register B, bit, name
  mov eax, [%1]
  shr eax, %2
  mov ebx, [%3]
  shr ebx, %4
  not ebx
  and eax, ebx
  and eax, 1
  check_eq eax, 0, %5
%endmacro
features:
  implies leaf1_edx, 25, leaf1_edx, 24, "SSE needs FXSR"
  implies leaf1_edx, 26, leaf1_edx, 25, "SSE2 needs SSE"
  implies leaf1_ecx, 0, leaf1_edx, 26, "SSE3 needs SSE2"
  implies leaf1_ecx, 9, leaf1_ecx, 0, "SSSE3 needs SSE3"
  implies leaf1_ecx, 20, leaf1_ecx, 19, "SSE4.2 needs SSE4.1"
  implies leaf1_ecx, 28, leaf1_ecx, 26, "AVX needs XSAVE"
  implies leaf7_ebx, 5, leaf1_ecx, 28, "AVX2 needs AVX"
  implies leaf1_ecx, 12, leaf1_ecx, 28, "FMA needs AVX"
  implies leaf1_ecx, 13, leaf1_edx, 8, "CMPXCHG16B needs CMPXCHG8B"
  implies ext_edx, 29, leaf1_edx, 6, "long mode needs PAE"
  implies ext_edx, 20, leaf1_edx, 6, "NX needs PAE"
  implies leaf1_ecx, 21, leaf1_edx, 9, "x2APIC needs an APIC"
  implies leaf1_edx, 16, leaf1_edx, 12, "PAT needs MTRRs"
  ; and what they execute as
  %macro executes 4+                    ; register, bit, name, instruction
    bt dword [%1], %2
    jc %%there
    raises %3, EXC(UD, 0), %4
    jmp %%done
  %%there:
    raises %3, NOFAULT, %4
  %%done:
  %endmacro
  mov eax, cr4
  or eax, 0x600
  mov cr4, eax
  executes leaf1_edx, 4, "RDTSC is as CPUID says", rdtsc
  executes leaf1_edx, 15, "CMOV", cmovz eax, ebx
  executes leaf1_edx, 8, "CMPXCHG8B", cmpxchg8b [SCRATCH]
  executes leaf1_edx, 23, "MMX", emms
  executes leaf1_edx, 26, "SSE2", movapd xmm0, xmm1
  executes leaf1_ecx, 0, "SSE3", haddps xmm0, xmm1
  executes leaf1_ecx, 9, "SSSE3", pshufb xmm0, xmm1
  executes leaf1_ecx, 19, "SSE4.1", pmulld xmm0, xmm1
  executes leaf1_ecx, 20, "SSE4.2", pcmpgtq xmm0, xmm1
  executes leaf1_ecx, 25, "AES", aesenc xmm0, xmm1
  executes leaf1_ecx, 1, "PCLMULQDQ", pclmulqdq xmm0, xmm1, 0
  executes leaf1_ecx, 23, "POPCNT", popcnt eax, eax
  executes leaf1_ecx, 22, "MOVBE", movbe eax, [SCRATCH]
  executes leaf1_ecx, 30, "RDRAND", rdrand eax
  tcg_deviates "RDSEED executes, though CPUID has none"
  executes leaf7_ebx, 18, "RDSEED", rdseed eax
  conforms
  executes leaf7_ebx, 19, "ADX", adcx eax, ebx
  executes leaf7_ebx, 29, "SHA", sha1nexte xmm0, xmm1
  executes leaf7_ebx, 23, "CLFLUSHOPT", clflushopt [SCRATCH]
  executes leaf7_ebx, 24, "CLWB", clwb [SCRATCH]
  executes leaf7_ebx, 20, "CLAC", clac
  executes ext_edx, 27, "RDTSCP", rdtscp
  ret

; SDM 3A 2.5
controls:
  %macro cr4_bit 4                      ; bit, register, its bit, name
    mov eax, cr4
    or eax, 1 << %1
    bt dword [%2], %3
    jc %%there
    raises %4, EXC(GP, 0), mov cr4, eax
    jmp %%done
  %%there:
    raises %4, NOFAULT, mov cr4, eax
    and eax, ~(1 << %1)
    mov cr4, eax
  %%done:
  %endmacro
  tcg_deviates "bits of CR4 that are not there are dropped"
  cr4_bit 0, leaf1_edx, 1, "CR4.VME is there or reserved, as CPUID says"
  cr4_bit 2, leaf1_edx, 4, "CR4.TSD"
  cr4_bit 3, leaf1_edx, 2, "CR4.DE"
  cr4_bit 4, leaf1_edx, 3, "CR4.PSE"
  cr4_bit 6, leaf1_edx, 7, "CR4.MCE"
  cr4_bit 7, leaf1_edx, 13, "CR4.PGE"
  cr4_bit 11, leaf7_ecx, 2, "CR4.UMIP"
  cr4_bit 16, leaf7_ebx, 0, "CR4.FSGSBASE"
  cr4_bit 18, leaf1_ecx, 26, "CR4.OSXSAVE"
  cr4_bit 20, leaf7_ebx, 7, "CR4.SMEP"
  cr4_bit 21, leaf7_ebx, 20, "CR4.SMAP"
  cr4_bit 22, leaf7_ecx, 3, "CR4.PKE"
  conforms
  mov eax, cr0
  and eax, 0x10
  check_eq eax, 0x10, "CR0.ET is 1 (SDM 3A 2.5)"
  mov ebx, cr0
  mov eax, ebx
  and al, ~0x10
  mov cr0, eax
  mov eax, cr0
  check_eq eax, ebx, "and stays so"
  ; LMSW cannot clear PE
  smsw ax
  mov ecx, eax
  and al, ~1
  lmsw ax
  mov eax, cr0
  and eax, 1
  check_eq eax, 1, "LMSW cannot clear PE (SDM 2A LMSW)"
  mov eax, cr0
  or eax, 0x20000000
  and eax, ~0x40000000
  tcg_deviates "no check"
  raises "#GP(0): NW without CD", EXC(GP, 0), mov cr0, eax
  conforms
  ; OSXSAVE
  bt dword [leaf1_ecx], 26
  jnc .no_xsave
  xor ecx, ecx
  raises "#UD: XGETBV without CR4.OSXSAVE", EXC(UD, 0), xgetbv
  mov eax, cr4
  or eax, 0x40000
  mov cr4, eax
  mov eax, 1
  cpuid
  shr ecx, 27
  and ecx, 1
  check_eq ecx, 1, "leaf 1 ECX[27] is CR4.OSXSAVE"
  xor ecx, ecx
  xgetbv
  check_eq eax, 1, "XCR0 is 1 after reset (SDM 3A 2.6)"
  xor ecx, ecx
  xor edx, edx
  mov eax, 2
  raises "#GP(0): XCR0 without x87", EXC(GP, 0), xsetbv
  mov eax, 5
  raises "#GP(0): XCR0 with AVX but not SSE", EXC(GP, 0), xsetbv
  mov ecx, 5
  mov eax, 1
  raises "#GP(0): an XCR that is not there", EXC(GP, 0), xsetbv
  xor ecx, ecx
  mov eax, 3
  raises "XCR0 = x87, SSE", NOFAULT, xsetbv
  user_raises "#GP(0): XSETBV in ring 3", EXC(GP, 0), xsetbv
  mov eax, 0xD
  xor ecx, ecx
  cpuid
  check_eq ebx, 576, "leaf 0Dh: 576 bytes for what XCR0 enables"
  mov eax, cr4
  and eax, ~0x40000
  mov cr4, eax
.no_xsave:
  ret

; SDM 4
msrs:
  tcg_deviates "MSRs that are not there are 0 and can be written"
  read_msr_raises "#GP(0): RDMSR of one that is not there", 0xDEADBEE
  write_raises "#GP(0): WRMSR of one that is not there", EXC(GP, 0), 0xDEADBEE, 0, 0
  conforms
  user_raises "#GP(0): RDMSR in ring 3", EXC(GP, 0), rdmsr
  tcg_deviates "reserved bits of MSRs are not checked"
  write_raises "#GP(0): EFER with a reserved bit", EXC(GP, 0), 0xC0000080, 0, 0x2
  write_raises "#GP(0): EFER with an upper bit", EXC(GP, 0), 0xC0000080, 1, 0
  write_raises "#GP(0): IA32_APIC_BASE with a reserved bit", EXC(GP, 0), 0x1B, 0, 0xFEE00801
  bt dword [leaf1_edx], 16
  jnc .no_pat
  write_raises "#GP(0): IA32_PAT with a type that is not there (SDM 3A 14.12.2)", EXC(GP, 0), 0x277, 0, 2
  conforms
  mov ecx, 0x277
  rdmsr
  tcg_deviates "the refused value was taken"
  check_eq eax, 0x00070406, "IA32_PAT after reset: WB, WT, UC-, UC"
  check_eq edx, 0x00070406, "and again"
  conforms
.no_pat:
  bt dword [leaf1_edx], 12
  jnc .no_mtrr
  mov ecx, 0xFE
  rdmsr
  and eax, 0xFF
  cmp eax, 1
  check_cc ae, "IA32_MTRRCAP: there are variable ranges (SDM 3A 14.11.1)"
  tcg_deviates "reserved bits of MSRs are not checked"
  mov ecx, 0xFE
  raises "#GP(0): WRMSR of IA32_MTRRCAP", EXC(GP, 0), wrmsr
  write_raises "#GP(0): IA32_MTRR_DEF_TYPE with a reserved type", EXC(GP, 0), 0x2FF, 0, 2
  write_raises "#GP(0): a fixed range with a reserved type", EXC(GP, 0), 0x250, 0, 2
.no_mtrr:
  conforms
  mov ecx, 0x1B
  rdmsr
  and eax, 0xFFFFF900
  check_eq eax, 0xFEE00900, "IA32_APIC_BASE: FEE00000h, enabled, bootstrap processor (SDM 3A 13.4.4)"
  ret

time:
  rdtsc
  mov ebx, eax
  mov ecx, edx
  rdtsc
  sub eax, ebx
  sbb edx, ecx
  check_eq edx, 0, "RDTSC goes forward (SDM 3A 19.17)"
  mov ecx, 0x10
  xor eax, eax
  mov edx, 0x1234
  wrmsr
  rdtsc
  tcg_deviates "the write is ignored"
  check_eq edx, 0x1234, "WRMSR of IA32_TIME_STAMP_COUNTER sets it"
  conforms
  mov eax, cr4
  or eax, 4
  mov cr4, eax
  user_raises "#GP(0): CR4.TSD: RDTSC in ring 3", EXC(GP, 0), rdtsc
  raises "but not in ring 0", NOFAULT, rdtsc
  mov eax, cr4
  and eax, ~4
  mov cr4, eax
  user_raises "RDTSC in ring 3 without TSD", EXC(SYS, 0), rdtsc
  bt dword [ext_edx], 27
  jnc .none
  mov ecx, 0xC0000103
  xor edx, edx
  mov eax, 0x5A5A
  wrmsr
  rdtscp
  check_eq ecx, 0x5A5A, "RDTSCP: ECX is IA32_TSC_AUX"
.none:
  ret

long_mode:
  long_on
  mov ecx, 0xC0000080
  rdmsr
  and eax, 0xD00
  check_eq rax, 0xD00, "EFER: LME, LMA, NXE"
  rdmsr
  btr eax, 8
  tcg_deviates "no check"
  raises "#GP(0): EFER.LME cannot change with paging on (SDM 3A 2.2.1)", EXC(GP, 0), wrmsr
  conforms
  mov ecx, 0xC0000100
  mov edx, 0x8000
  xor eax, eax
  tcg_deviates "no check"
  raises "#GP(0): FS.base that is not canonical", EXC(GP, 0), wrmsr
  conforms
  mov ecx, 0xC0000102
  tcg_deviates "no check"
  raises "#GP(0): KERNEL_GS_BASE that is not canonical", EXC(GP, 0), wrmsr
  conforms
  mov rax, 0x1234567890
  mov rbx, rax
  cpuid
  shr rax, 32
  check_eq rax, 0, "CPUID clears the upper halves"
  bt dword [leaf7_ebx], 0
  jnc .no_fsgsbase
  raises "#UD: RDFSBASE without CR4.FSGSBASE", EXC(UD, 0), rdfsbase rax
  mov rax, cr4
  bts rax, 16
  mov cr4, rax
  mov rbx, 0x123456789A
  wrfsbase rbx
  rdfsbase rcx
  check_eq rcx, rbx, "WRFSBASE, RDFSBASE"
  mov ecx, 0xC0000100
  rdmsr
  check_eq rdx, 0x12, "IA32_FS_BASE is the same"
  mov rbx, 0x800000000000
  tcg_deviates "no check"
  raises "#GP(0): WRFSBASE of an address that is not canonical", EXC(GP, 0), wrfsbase rbx
  conforms
  user_raises "RDGSBASE in ring 3", EXC(SYS, 0), rdgsbase rax
.no_fsgsbase:
  bt dword [ext_ecx], 0
  jnc .no_lahf
  raises "LAHF in 64-bit code", NOFAULT, lahf
.no_lahf:
  bt dword [leaf1_ecx], 13
  jnc .no_cx16
  raises "#GP(0): CMPXCHG16B that is not aligned (SDM 2A)", EXC(GP, 0), cmpxchg16b [SCRATCH + 8]
  raises "CMPXCHG16B", NOFAULT, cmpxchg16b [SCRATCH]
.no_cx16:
  long_off
  ret

; SDM 3A 2.5, CR4.UMIP
umip:
  bt dword [leaf7_ecx], 2
  jnc .none
  mov eax, cr4
  or eax, 0x800
  mov cr4, eax
  user_raises "UMIP: SGDT in ring 3", EXC(GP, 0), sgdt [SCRATCH]
  user_raises "UMIP: SIDT", EXC(GP, 0), sidt [SCRATCH]
  user_raises "UMIP: SLDT", EXC(GP, 0), sldt ax
  user_raises "UMIP: STR", EXC(GP, 0), str ax
  user_raises "UMIP: SMSW", EXC(GP, 0), smsw ax
  raises "UMIP: ring 0 is not concerned", NOFAULT, sgdt [SCRATCH]
  mov eax, cr4
  and eax, ~0x800
  mov cr4, eax
  user_raises "without UMIP: SMSW in ring 3", EXC(SYS, 0), smsw ax
.none:
  ret
