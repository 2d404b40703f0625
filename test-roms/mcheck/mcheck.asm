; Machine checks, as far as they can be checked while nothing is broken: CPUID, CR4,
; the registers of the architecture and of each bank, and vector 18
; (Intel SDM Vol. 3A 7.15, 17.3, 17.3.2; Vol. 4 Table 2-2; AMD APM Vol. 2 9.3).
%include "../lib/rom.inc"

bits 32
%define MC 18
%define MCG_CAP 0x179
%define MCG_STATUS 0x17A
%define MCG_CTL 0x17B
%define MC0_CTL 0x400
%define MC0_STATUS 0x401
%define MCE 0x40

section .data
align 4
features: dd 0                          ; CPUID leaf 1 EDX
banks: dd 0
bank: dd 0
bad: dd 0                               ; banks that did not pass a check
section .text

main:
  mov eax, 1
  cpuid
  mov [features], edx
  mov eax, edx
  shr eax, 7
  and eax, 1
  mov ebx, edx
  shr ebx, 14
  and ebx, 1
  or eax, ebx
  xor eax, 1
  xor ebx, ebx
  check_eq eax, 0, "CPUID: MCE or MCA is there (SDM 2A CPUID)"
  bt dword [features], 7
  check_cc c, "MCA implies MCE (SDM 3A 17.3)"
  call control
  call pentium
  bt dword [features], 14
  jnc .vector
  call registers
  call every_bank
.vector:
  call vector
  ret

control:
  mov ebx, cr4
  test ebx, MCE
  check_cc z, "CR4.MCE is clear after reset"
  or ebx, MCE
  raises "CR4.MCE can be set (SDM 3A 2.5)", NOFAULT, mov cr4, ebx
  mov eax, cr4
  and eax, MCE
  check_eq eax, MCE, "and is kept"
  and ebx, ~MCE
  mov cr4, ebx
  mov eax, cr4
  and eax, MCE
  check_eq eax, 0, "and cleared"
  ret

; The Pentium's two registers are there wherever MCE is (SDM Vol. 4 Table 2-2).
pentium:
  xor ecx, ecx
  raises "IA32_P5_MC_ADDR can be read", NOFAULT, rdmsr
  mov ecx, 1
  raises "IA32_P5_MC_TYPE can be read", NOFAULT, rdmsr
  ret

registers:
  mov ecx, MCG_CAP
  raises "IA32_MCG_CAP can be read (SDM 3A 17.3.1.1)", NOFAULT, rdmsr
  movzx ebx, al
  mov [banks], ebx
  cmp ebx, 32
  check_cc be, "it has a plausible number of banks"
  bt eax, 8
  setc bl
  mov ecx, MCG_CTL
  test bl, bl
  jnz .has_control
  raises "#GP(0): IA32_MCG_CTL where MCG_CTL_P is clear (SDM 3A 17.3.1.3)", EXC(GP, 0), rdmsr
  jmp .capabilities
.has_control:
  raises "IA32_MCG_CTL where MCG_CTL_P is set (SDM 3A 17.3.1.3)", NOFAULT, rdmsr
.capabilities:
  mov ecx, MCG_CAP
  rdmsr
  tcg_deviates "the write is ignored"
  raises "#GP(0): IA32_MCG_CAP is read-only", EXC(GP, 0), wrmsr
  conforms
  mov ecx, MCG_STATUS
  rdmsr
  or eax, edx
  check_eq eax, 0, "IA32_MCG_STATUS: nothing happened (SDM 3A 17.3.1.2)"
  mov eax, 4                            ; MCIP
  xor edx, edx
  raises "MCIP can be set", NOFAULT, wrmsr
  rdmsr
  check_eq eax, 4, "and is kept"
  xor eax, eax
  raises "and cleared", NOFAULT, wrmsr
  rdmsr
  check_eq eax, 0, "IA32_MCG_STATUS is 0 again"
  mov eax, 0x10
  mov edx, 1
  tcg_deviates "reserved bits are kept"
  raises "#GP(0): reserved bits of IA32_MCG_STATUS", EXC(GP, 0), wrmsr
  conforms
  xor eax, eax
  xor edx, edx
  wrmsr
  ret

; for_banks ROUTINE, EXPECTED: calls it with ECX as a bank's first MSR; counts banks
; after which `fault` is not that.
%macro for_banks 2
  mov dword [bank], 0
  mov dword [bad], 0
%%next:
  mov eax, [bank]
  cmp eax, [banks]
  jae %%end
  lea ecx, [eax * 4 + MC0_CTL]
  catch %%land
  %1
%%land:
  catch_off
  cmp dword [fault], %2
  je %%good
  inc dword [bad]
%%good:
  inc dword [bank]
  jmp %%next
%%end:
%endmacro

%macro read_status 0
  inc ecx
  rdmsr
%endmacro

%macro clear_status 0
  inc ecx
  xor eax, eax
  xor edx, edx
  wrmsr
%endmacro

%macro set_status 0
  inc ecx
  mov eax, 1
  xor edx, edx
  wrmsr
%endmacro

every_bank:
  for_banks rdmsr, NOFAULT
  check_eq [bad], 0, "each bank's IA32_MCi_CTL can be read (SDM 3A 17.3.2.1)"
  for_banks read_status, NOFAULT
  check_eq [bad], 0, "and its IA32_MCi_STATUS (SDM 3A 17.3.2.2)"
  for_banks clear_status, NOFAULT
  check_eq [bad], 0, "which can be cleared"
  tcg_deviates "anything can be written"
  for_banks set_status, EXC(GP, 0)
  check_eq [bad], 0, "#GP(0): but takes no bits"
  conforms
  for_banks clear_status, NOFAULT
  mov ecx, [banks]
  shl ecx, 2
  add ecx, MC0_CTL
  tcg_deviates "it reads as 0"
  raises "#GP(0): a bank that is not there", EXC(GP, 0), rdmsr
  conforms
  ret

; A software interrupt takes the machine check's gate like any other, whatever CR4.MCE.
vector:
  traps "INT 18 takes vector 18, without an error code (SDM 3A 7.15)", EXC(MC, 0), int MC
  mov ebx, cr4
  or ebx, MCE
  mov cr4, ebx
  traps "with CR4.MCE set, too", EXC(MC, 0), int MC
  and ebx, ~MCE
  mov cr4, ebx
  long_on
  traps "INT 18 in 64-bit code", EXC(MC, 0), int MC
  long_off
  ret
