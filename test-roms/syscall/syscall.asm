; SYSCALL and SYSRET, SYSENTER and SYSEXIT, SWAPGS (Intel SDM Vol. 2B, 3A 6.8.7,
; 6.8.8; AMD APM Vol. 3 "SYSCALL", "SYSENTER"). Where vendors differ the ROM asks
; CPUID who made the processor.
%include "../lib/rom.inc"

bits 32
%define EFER 0xC0000080
%define STAR 0xC0000081
%define LSTAR 0xC0000082
%define CSTAR 0xC0000083
%define FMASK 0xC0000084

section .data
amd: db 0
align 8
seen: times 8 dq 0
section .text

main:
  xor eax, eax
  cpuid
  cmp ecx, 'cAMD'
  sete [amd]
  call legacy_sysenter
  call legacy_syscall
  call long_mode
  ret

; write_msr MSR, HIGH, LOW
%macro write_msr 3
  mov ecx, %1
  mov edx, %2
  mov eax, %3
  wrmsr
%endmacro

legacy_sysenter:
  mov eax, 1
  cpuid
  bt edx, 11
  jnc .none
  write_msr 0x174, 0, 0
  raises "#GP(0): SYSENTER with IA32_SYSENTER_CS null (SDM 2B SYSENTER)", EXC(GP, 0), sysenter
  ; the selectors are CS, CS + 8, CS + 16, CS + 24: these four are made for it
  set_descriptor FREE, 0, 0xFFFFF, 0xC09B
  set_descriptor FREE + 8, 0, 0xFFFFF, 0xC093
  set_descriptor FREE + 16, 0, 0xFFFFF, 0xC0FB
  set_descriptor FREE + 24, 0, 0xFFFFF, 0xC0F3
  write_msr 0x174, 0, FREE + 3
  write_msr 0x175, 0, STACK0 - 0x800
  write_msr 0x176, 0, .entered
  mov dword [user_flags], 0x202
  catch .back
  enter_user .user
.user:
  sysenter
.entered:
  mov [seen], esp
  pushfd
  pop dword [seen + 8]
  mov eax, cs
  mov [seen + 16], eax
  mov eax, ss
  mov [seen + 24], eax
  mov edx, .user_again
  mov ecx, STACK3 - 64
  sysexit
.user_again:
  int SYS
.back:
  mov dword [user_flags], 2
  caught "SYSENTER and SYSEXIT in protected mode", EXC(SYS, 0)
  check_eq [seen], STACK0 - 0x800, "ESP is IA32_SYSENTER_ESP"
  mov eax, [seen + 8]
  and eax, 0x200
  check_eq eax, 0, "IF is clear"
  check_eq [seen + 16], FREE, "CS is IA32_SYSENTER_CS with RPL 0"
  check_eq [seen + 24], FREE + 8, "SS is that + 8"
  check_eq [fault_cs], FREE + 19, "SYSEXIT: CS is that + 16, RPL 3"
  check_eq [fault_ss], FREE + 27, "SS is that + 24"
  check_eq [fault_sp], STACK3 - 64, "ESP is ECX"
  user_raises "#GP(0): SYSEXIT in ring 3", EXC(GP, 0), sysexit
.none:
  ret

legacy_syscall:
  mov eax, 0x80000001
  cpuid
  bt edx, 11
  jnc .none
  raises "#UD: SYSCALL without EFER.SCE", EXC(UD, 0), syscall
  cmp byte [amd], 0
  je .none
  write_msr EFER, 0, 1
  write_msr STAR, UCODE32 << 16 | CODE64, .entered
  mov dword [user_flags], 0x202
  catch .back
  enter_user .user
.user: syscall
.after: nop
  int SYS
.entered:
  mov [seen], ecx
  pushfd
  pop dword [seen + 8]
  mov eax, cs
  mov [seen + 16], eax
  sysret
.back:
  mov dword [user_flags], 2
  caught "AMD: SYSCALL and SYSRET in protected mode", EXC(SYS, 0)
  check_eq [seen], .after, "ECX is the address behind it"
  mov eax, [seen + 8]
  and eax, 0x200
  check_eq eax, 0, "IF is clear"
  check_eq [fault_cs], UCODE32, "SYSRET: CS of STAR[63:48]"
  mov eax, [fault_flags]
  and eax, 0x200
  check_eq eax, 0x200, "and IF is set"
  write_msr EFER, 0, 0
.none:
  ret

long_mode:
  long_on
  raises "64-bit: #UD without EFER.SCE", EXC(UD, 0), syscall
  raises "64-bit: #UD: SYSRET without EFER.SCE", EXC(UD, 0), o64 sysret
  mov ecx, EFER
  rdmsr
  or al, 1
  wrmsr
  write_msr STAR, UCODE32 << 16 | CODE64, 0
  write_msr LSTAR, 0, .entered
  write_msr CSTAR, 0, .compatible
  write_msr FMASK, 0, 0x40600 | 0x4000
  mov qword [user_flags], 0x4AD7 & ~0x100 | 0x240000
  catch .back
  enter_user .user
.user: syscall
.after: nop
  mov [seen + 40], rsp
  int SYS
.entered:
  mov [seen], rcx
  mov [seen + 8], r11
  pushfq                                ; still on the stack of ring 3
  pop qword [seen + 16]
  mov eax, cs
  mov [seen + 24], rax
  mov eax, ss
  mov [seen + 32], rax
  o64 sysret
.back:
  mov qword [user_flags], 2
  caught "64-bit: SYSCALL and SYSRET", EXC(SYS, 0)
  check_eq [seen], .after, "RCX is the address behind it (SDM 2B SYSCALL)"
  mov rax, [seen + 8]
  and eax, ~0x10000
  check_eq rax, 0x4AD7 & ~0x100 | 0x240000, "R11 is RFLAGS"
  mov rax, [seen + 16]
  and eax, 0x3FFFFF & ~0x10000
  tcg_deviates "arithmetic flags are lost"
  check_eq rax, (0x4AD7 & ~0x100 | 0x240000) & ~0x44600, "FMASK has cleared what it names"
  conforms
  check_eq [seen + 24], CODE64, "CS is STAR[47:32]"
  check_eq [seen + 32], CODE64 + 8, "SS is that + 8"
  check_eq [seen + 40], STACK3, "RSP is not touched"
  check_eq [fault_cs], UCODE64, "SYSRET: CS is STAR[63:48] + 16"
  check_eq [fault_ss], UDATA, "SS is that + 8"
  mov rax, [fault_flags]
  and eax, ~0x10000
  check_eq rax, 0x4AD7 & ~0x100 | 0x240000, "RFLAGS is R11"
  user_raises "#GP(0): SYSRET in ring 3", EXC(GP, 0), o64 sysret
  ; to compatibility mode
  catch .in_compatibility
  mov ecx, .user32
  mov r11d, 2
  sysret
bits 32
.user32:
  int SYS
bits 64
.in_compatibility:
  mov rsp, [landing_sp]
  caught "SYSRET with 32-bit operand: compatibility mode", EXC(SYS, 0)
  check_eq [fault_cs], UCODE32, "CS is STAR[63:48]"
  ; RF and VM of R11
  catch .flags
  mov ecx, .user_flags
  mov r11, 0xFFFFFFFF0003FAD7
  and r11d, ~0x100
  o64 sysret
.user_flags: int SYS
.flags:
  mov rsp, [landing_sp]
  caught "SYSRET with all flags in R11", EXC(SYS, 0)
  mov rax, [fault_flags]
  and eax, 0x3802A
  tcg_deviates "RF and VM are set"
  check_eq rax, 2, "RF, VM and reserved bits are clear"
  conforms
  ; SYSRET with TF set in R11: a trap before the first instruction of ring 3
  catch .tf
  mov ecx, .user_tf
  mov r11d, 0x102
  o64 sysret
.user_tf: nop
  int SYS
.tf:
  mov rsp, [landing_sp]
  caught "SYSRET that sets TF traps at its target", EXC(DB, 0), .user_tf
  ; RCX that is not canonical
  catch .bad_rcx
  mov rcx, 0x800000000000
  mov r11d, 2
.sysret: o64 sysret
.bad_rcx:
  mov rsp, [landing_sp]
  cmp byte [amd], 0
  je .intel
  tcg_deviates "raises #PF for the fetch"
  caught "AMD: SYSRET to an address that is not canonical: #GP(0) in ring 3", EXC(GP, 0)
  mov rax, 0x800000000000
  check_eq [fault_rip], rcx, "at the target"
  mov eax, [fault_cs]
  and eax, 3
  check_eq rax, 3, "in ring 3"
  conforms
  jmp .compatibility
.intel:
  caught "Intel: SYSRET to an address that is not canonical: #GP(0) in ring 0", EXC(GP, 0), .sysret
.compatibility:
  ; SYSCALL in compatibility mode: AMD only
  catch .from32
  mov ecx, .calls32
  mov r11d, 2
  sysret
bits 32
.calls32: syscall
.after32: int SYS
bits 64
.compatible:
  int 0x59
.from32:
  mov rsp, [landing_sp]
  cmp byte [amd], 0
  je .intel32
  caught "AMD: SYSCALL in compatibility mode goes to CSTAR", EXC(0x59, 0)
  check_eq [fault_cs], CODE64, "in 64-bit code"
  jmp .sysenter
.intel32:
  caught "Intel: SYSCALL in compatibility mode is #UD", EXC(UD, 0), .calls32
.sysenter:
  cmp byte [amd], 0
  je .swapgs
  raises "AMD: #UD: SYSENTER in long mode", EXC(UD, 0), sysenter
  raises "AMD: #UD: SYSEXIT in long mode", EXC(UD, 0), sysexit
.swapgs:
  ; MSRs
  mov ecx, LSTAR
  mov edx, 0x8000
  xor eax, eax
  tcg_deviates "no check"
  raises "#GP(0): LSTAR that is not canonical (SDM 2D WRMSR)", EXC(GP, 0), wrmsr
  mov ecx, CSTAR
  raises "#GP(0): CSTAR that is not canonical", EXC(GP, 0), wrmsr
  conforms
  ; SWAPGS
  write_msr 0xC0000101, 0, 0x1111
  write_msr 0xC0000102, 0x22, 0x2222
  swapgs
  mov ecx, 0xC0000101
  rdmsr
  check_eq rax, 0x2222, "SWAPGS: GS.base is KERNEL_GS_BASE (SDM 2B SWAPGS)"
  check_eq rdx, 0x22, "all of it"
  mov ecx, 0xC0000102
  rdmsr
  check_eq rax, 0x1111, "and the other way"
  user_raises "#GP(0): SWAPGS in ring 3", EXC(GP, 0), swapgs
  ; a load of GS sets the low half of its base only
  mov eax, DATA
  mov gs, eax
  mov ecx, 0xC0000101
  rdmsr
  check_eq rax, 0, "MOV to GS loads its base from the descriptor"
  check_eq rdx, 0, "and clears the upper half"
  long_off
  ret
