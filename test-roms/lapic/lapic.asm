; The local APIC: registers, timer in its three modes, errors, x2APIC
; (Intel SDM Vol. 3A chapter 13).
%include "../lib/rom.inc"
%include "../lib/devices.inc"

bits 32
%define L 0xFEE00000
%define TIMER (L + 0x320)
%define INITIAL (L + 0x380)
%define CURRENT (L + 0x390)
%define DIVIDE (L + 0x3E0)
%define EOI (L + 0xB0)

section .data
align 8
count: dd 0
section .text

main:
  call registers
  call timer
  call deadline
  call disabled
  call x2apic
  ret

registers:
  mov dword [L + 0xF0], 0xFF
  mov eax, [L + 0x30]
  and eax, 0xFF
  cmp eax, 0x10
  setae bl
  cmp eax, 0x15
  setbe cl
  and bl, cl
  movzx ebx, bl
  check_eq ebx, 1, "the version is 10h to 15h: integrated (SDM 3A 13.4.8)"
  mov eax, [L + 0x30]
  shr eax, 16
  and eax, 0xFF
  cmp eax, 3
  check_cc ae, "at least four LVT entries"
  check_eq [TIMER], 0x10000, "LVT entries are masked after reset (SDM 3A 13.4.7.1)"
  mov dword [L + 0xF0], 0x1FF
  check_bits [L + 0xF0], 0x1FF, 0x1FF, "SVR: enabled, vector FFh"
  mov dword [L + 0x80], 0x12345678
  check_eq [L + 0x80], 0x78, "TPR has 8 bits (SDM 3A 13.8.3.1)"
  mov dword [L + 0x80], 0
  mov dword [L + 0xD0], 0x12345678
  check_eq [L + 0xD0], 0x12000000, "LDR has its upper 8"
  mov dword [L + 0xD0], 0
  mov dword [L + 0xE0], 0x0FFFFFFF
  check_eq [L + 0xE0], 0x0FFFFFFF, "DFR: bits 27:0 are 1"
  mov dword [L + 0xE0], 0
  check_eq [L + 0xE0], 0x0FFFFFFF, "always"
  mov dword [L + 0xE0], -1
  mov dword [L + 0x350], 0xFFFFFFFF
  tcg_deviates "reserved bits can be written"
  check_bits [L + 0x350], 0xFFFE0000, 0, "LVT LINT0: reserved bits are 0 (SDM 3A 13.5.1)"
  conforms
  mov dword [L + 0x350], 0x10000
  ; errors
  mov dword [L + 0x280], 0
  mov dword [L + 0x280], 0
  check_eq [L + 0x280], 0, "ESR is 0 (SDM 3A 13.5.3)"
  skip_on_tcg .no_errors, "illegal vectors are delivered"
  mov dword [DIVIDE], 0xB
  mov dword [TIMER], 5                  ; an illegal vector
  mov dword [INITIAL], 100
  wait_us 10000
  mov dword [L + 0x280], 0
  check_eq [L + 0x280], 0x40, "a timer interrupt with vector 5: an illegal vector received"
  mov dword [TIMER], 0x10000
  mov dword [L + 0x280], 0
  mov dword [L + 0x280], 0
.no_errors:
  ret

set_timer_handler:
  mov dword [count], 0
  set_gate32 IDT, 0x51, CODE32, .handler, 0x8E
  ret
.handler:
  inc dword [count]
  mov dword [EOI], 0
  iretd

timer:
  call sleep_init
  call set_timer_handler
  mov dword [DIVIDE], 0xFFFFFFFF
  check_eq [DIVIDE], 0xB, "the divide configuration has bits 3, 1, 0"
  mov dword [DIVIDE], 0xB
  mov dword [TIMER], 0x51
  mov dword [INITIAL], 100000
  sti
  sleep_ms 50
  cli
  check_eq [count], 1, "one-shot: one interrupt (SDM 3A 13.5.4)"
  check_eq [CURRENT], 0, "and the count stays 0"
  check_eq [INITIAL], 100000, "the initial count reads back"
  mov dword [count], 0
  mov dword [TIMER], 0x20051
  mov dword [INITIAL], 100000
  sti
  sleep_ms 50
  cli
  mov dword [INITIAL], 0
  mov eax, [count]
  cmp eax, 3
  check_cc ae, "periodic: it comes again"
  mov dword [count], 0
  sti
  sleep_ms 20
  cli
  check_eq [count], 0, "an initial count of 0 stops it"
  mov dword [TIMER], 0x10051
  mov dword [INITIAL], 100000
  sti
  sleep_ms 20
  cli
  check_eq [count], 0, "masked: no interrupt"
  check_eq [CURRENT], 0, "though it counts"
  ; division
  mov dword [DIVIDE], 0xB
  mov dword [INITIAL], -1
  sleep_ms 20
  mov ebx, [CURRENT]
  not ebx
  mov dword [DIVIDE], 0xA               ; by 128
  mov dword [INITIAL], -1
  sleep_ms 20
  mov eax, [CURRENT]
  not eax
  shl eax, 6
  cmp eax, ebx
  check_cc b, "divide by 128 is slower than by 1"
  mov dword [INITIAL], 0
  check_eq [CURRENT], 0, "writing 0 stops it"
  ret

deadline:
  mov eax, 1
  cpuid
  bt ecx, 24
  jnc .none
  mov dword [TIMER], 0x40051
  mov dword [count], 0
  mov dword [INITIAL], 1000
  check_eq [INITIAL], 0, "TSC-deadline mode: the initial count is ignored (SDM 3A 13.5.4.1)"
  rdtsc
  add eax, 1000000
  adc edx, 0
  mov ecx, 0x6E0
  wrmsr
  rdmsr
  or eax, edx
  check_cc nz, "IA32_TSC_DEADLINE reads back while it waits"
  sti
  sleep_ms 50
  cli
  check_eq [count], 1, "the deadline comes"
  mov ecx, 0x6E0
  rdmsr
  or eax, edx
  check_eq eax, 0, "and the MSR is 0"
  mov eax, 1
  xor edx, edx
  mov dword [count], 0
  wrmsr
  sti
  sleep_ms 1
  cli
  check_eq [count], 1, "a deadline in the past comes at once"
  mov dword [TIMER], 0x10000
.none:
  ret

disabled:
  mov dword [TIMER], 0x51
  mov dword [L + 0xF0], 0xFF
  tcg_deviates "software disable changes no LVT"
  check_bits [TIMER], 0x10000, 0x10000, "software disable masks the LVT (SDM 3A 13.4.7.2)"
  mov dword [TIMER], 0x51
  check_bits [TIMER], 0x10000, 0x10000, "and keeps it masked"
  mov dword [L + 0xF0], 0x1FF
  check_bits [TIMER], 0x10000, 0x10000, "also after enabling"
  conforms
  mov dword [TIMER], 0x10000
  ret

x2apic:
  mov eax, 1
  cpuid
  bt ecx, 21
  jnc .none
  mov ecx, 0x802
  raises "#GP(0): x2APIC MSRs in xAPIC mode (SDM 3A 13.12.2)", EXC(GP, 0), rdmsr
  mov ecx, 0x1B
  rdmsr
  mov ebx, eax
  mov esi, [L + 0x20]
  shr esi, 24
  and eax, ~0x800
  or eax, 0x400
  raises "#GP(0): EXTD without EN (SDM 3A 13.12.1)", EXC(GP, 0), wrmsr
  mov eax, ebx
  or eax, 0x400
  raises "x2APIC mode", NOFAULT, wrmsr
  mov ecx, 0x802
  rdmsr
  check_eq eax, esi, "the ID is the same, in all 32 bits"
  mov eax, 5
  xor edx, edx
  raises "#GP(0): the ID is read-only", EXC(GP, 0), wrmsr
  mov ecx, 0x80E
  raises "#GP(0): there is no DFR", EXC(GP, 0), rdmsr
  mov ecx, 0x831
  raises "#GP(0): there is no upper half of ICR", EXC(GP, 0), rdmsr
  mov ecx, 0x808
  mov eax, 0x100
  xor edx, edx
  raises "#GP(0): TPR with a reserved bit", EXC(GP, 0), wrmsr
  mov ecx, 0x80B
  mov eax, 1
  raises "#GP(0): EOI with anything but 0", EXC(GP, 0), wrmsr
  mov ecx, 0x80D
  rdmsr
  mov ecx, esi
  and ecx, 15
  mov edi, 1
  shl edi, cl
  check_eq eax, edi, "LDR is made of the ID (SDM 3A 13.12.10.2)"
  set_gate32 IDT, 0x51, CODE32, .handler, 0x8E
  mov dword [count], 0
  mov ecx, 0x83F
  mov eax, 0x51
  xor edx, edx
  wrmsr
  sti
  nop
  nop
  cli
  check_eq [count], 1, "SELF IPI (SDM 3A 13.12.11)"
  mov ecx, 0x830
  mov eax, 0x51
  mov edx, esi
  wrmsr
  sti
  nop
  nop
  cli
  check_eq [count], 2, "ICR in one write: an interrupt to our ID"
  mov ecx, 0x1B
  xor edx, edx
  mov eax, ebx
  raises "#GP(0): from x2APIC mode straight to xAPIC mode", EXC(GP, 0), wrmsr
  mov eax, ebx
  and eax, ~0xC00
  raises "by way of disabled it goes", NOFAULT, wrmsr
  mov edi, ebx
  mov eax, 1
  cpuid
  mov ebx, edi
  shr edx, 9
  and edx, 1
  check_eq edx, 0, "CPUID shows no APIC while it is disabled (SDM 3A 13.4.3)"
  mov ecx, 0x1B
  xor edx, edx
  mov eax, ebx
  wrmsr
  check_bits [L + 0x20], 0xF0FFFFFF, 0, "its registers are in memory again"
.none:
  ret
.handler:
  push eax
  push ecx
  push edx
  inc dword [count]
  mov ecx, 0x80B
  xor eax, eax
  xor edx, edx
  wrmsr
  pop edx
  pop ecx
  pop eax
  iretd
