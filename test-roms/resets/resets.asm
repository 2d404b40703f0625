; Reset and INIT in the place of a BIOS: what the processor and the board hold at
; the reset vector after power-on, after INIT by the local APIC, port 92h, the
; keyboard controller, CF9h and a triple fault, and after the reset line
; (Intel SDM Vol. 3A 10.1, Table 10-1; 13.4.7; ICH data sheet: PORT92, RST_CNT,
; shutdown cycle; AMD APM Vol. 2 14.1).
%include "../lib/rom.inc"
%include "../lib/devices.inc"
%include "../lib/bios.inc"

bits 32
%define L 0xFEE00000
%define SYSENTER_CS 0x174
%define PAT 0x277
%define MTRR_DEF_TYPE 0x2FF
%define KEPT 0x7450654B
%define HIGH_RAM 0x300000
%define CMOS_SHUTDOWN 0x0F
%define CMOS_FREE 0x72
%define VECTOR_467 0x467        ; where an AT BIOS goes on for shutdown codes 05h and 0Ah

section .data
align 8
stage: dd 0
pattern: dd 0x11111111, 0x22222222, 0x33333333, 0x44444444
no_idt: dw 0, 0, 0, 0
stages: dd power_on, by_apic, by_port92, by_8042, by_cf9, by_shutdown, by_reset, by_power
section .text

main:
  mov eax, [stage]
  inc dword [stage]
  jmp [stages + eax * 4]

; after TEXT: a heading in the output
%macro after 1
  [section .data]
%%text: db "# after ", %1, 10, 0
  __SECT__
  mov esi, %%text
  call print_32
%endmacro

; msr NUMBER: EAX has its lower half
%macro msr 1
  mov ecx, %1
  rdmsr
%endmacro

power_on:
  after "power-on"
  call reset_left
  call prepare
  mov dword [L + 0x310], 0              ; to the processor with ID 0: itself
  mov ebp, 0xBBBBBBBB
  mov dword [L + 0x300], 0x4500
  jmp not_reset

by_apic:
  after "INIT by the local APIC"
  call init_left
  call prepare
  get_port 0x92
  and al, 0xFE
  out 0x92, al
  or al, 1
  out 0x92, al
  jmp not_reset

by_port92:
  after "INIT by port 92h bit 0"
  call pin_init_left
  call prepare
.wait:
  in al, 0x64
  test al, 2
  jnz .wait
  mov al, 0xFE
  out 0x64, al
  jmp not_reset

by_8042:
  after "INIT by 8042 command FEh"
  call pin_init_left
  call prepare
  put_port 0xCF9, 0
  put_port 0xCF9, 4
  jmp not_reset

by_cf9:
  after "INIT by CF9h, soft reset"
  call pin_init_left
  call prepare
  lidt [no_idt]
  ud2

by_shutdown:
  after "a triple fault"
  call pin_init_left
  call prepare
  put_port 0xCF9, 2
  put_port 0xCF9, 6
  jmp not_reset

by_reset:
  after "reset by CF9h"
  call reset_left
  call memory_left
  call prepare
  put_port 0xCF9, 0x0A
  put_port 0xCF9, 0x0E
  jmp not_reset

by_power:
  after "full reset by CF9h"
  call reset_left
  ret

; What was to start the machine anew did not.
not_reset:
  mov ecx, 200000
.wait:
  in al, 0x80
  loop .wait
  mov eax, [stage]
  check_eq eax, -1, "it did not happen (stage)"
  ret

; Everything that a reset or an INIT changes or keeps gets a value of its own.
prepare:
  mov eax, cr0
  and eax, ~0x6000000E                  ; caches on, no EM, TS
  mov cr0, eax
  mov eax, 0x12345678
  mov cr2, eax
  mov eax, TABLES
  mov cr3, eax
  mov eax, 0x208                        ; OSFXSR, DE
  mov cr4, eax
  mov eax, 0x55AA
  mov dr0, eax
  mov eax, 0x401
  mov dr7, eax
  mov ecx, 0xC0000080
  rdmsr
  or eax, 0x800
  wrmsr
  mov ecx, SYSENTER_CS
  mov eax, 0x1234
  xor edx, edx
  wrmsr
  mov ecx, PAT
  mov eax, 0x00070401
  mov edx, 0x00070406
  wrmsr
  mov ecx, MTRR_DEF_TYPE
  mov eax, 0x806
  xor edx, edx
  wrmsr
  fninit
  mov dword [SCRATCH], 0x27F
  fldcw [SCRATCH]
  fld1
  mov dword [SCRATCH], 0x9F80
  ldmxcsr [SCRATCH]
  movdqu xmm0, [pattern]
  mov dword [L + 0xF0], 0x1FF
  mov dword [L + 0x80], 0x50
  mov dword [L + 0xD0], 0x12000000
  mov dword [L + 0x350], 0x700
  put_port 0x87, 0x3C                   ; a DMA page register
  call pirq
  put_port 0xCFC, 0x0B
  mov dword [HIGH_RAM], KEPT
  mov dword [VECTOR_467], 0xF0001234
  put_cmos CMOS_SHUTDOWN, 0x0A
  put_cmos CMOS_FREE, 0xC3
  mov ebx, 0xBBBBBBBB
  mov esi, ebx
  mov edi, ebx
  ret

; EAX is the ISA bridge's PIRQ A route control; the next access to CFCh reaches it.
pirq:
  mov edx, 0xCF8
  mov eax, 0x80000860
  out dx, eax
  get_port 0xCFC
  ret

; The same after a reset and an INIT.
common_left:
  check_eq [RESET_STATE], 0, "EAX is 0"
  mov eax, 1
  cpuid
  check_eq [RESET_STATE + 8], eax, "EDX is the signature that CPUID gives (SDM 3A 10.1.2)"
  mov eax, [RESET_STATE + 4]
  or eax, [RESET_STATE + 12]
  or eax, [RESET_STATE + 16]
  or eax, [RESET_STATE + 20]
  or eax, [RESET_STATE + 24]
  or eax, [RESET_STATE + 28]
  check_eq eax, 0, "the other registers are 0 (SDM 3A Table 10-1)"
  check_eq [RESET_FLAGS], 2, "EFLAGS"
  check_bits [RESET_SEGMENTS], 0xFFFF, 0, "the data segments' selectors"
  check_eq [RESET_CR2], 0, "CR2"
  check_eq [RESET_CR3], 0, "CR3"
  check_eq [RESET_CR4], 0, "CR4"
  check_eq [RESET_DR0], 0, "DR0"
  check_eq [RESET_DR6], 0xFFFF0FF0, "DR6"
  check_eq [RESET_DR7], 0x400, "DR7"
  check_eq [RESET_EFER], 0, "EFER (APM 2 14.1.3)"
  check_bits [RESET_GDTR], 0xFFFF, 0xFFFF, "GDTR's limit"
  check_eq [RESET_GDTR + 2], 0, "GDTR's base"
  check_bits [RESET_IDTR], 0xFFFF, 0xFFFF, "IDTR's limit"
  check_eq [RESET_IDTR + 2], 0, "IDTR's base"
  msr 0x1B
  check_bits eax, 0xFFFFFF00, 0xFEE00900, "IA32_APIC_BASE: enabled, bootstrap processor (SDM 3A 13.4.4)"
  check_eq [L + 0x80], 0, "local APIC: TPR (SDM 3A 13.4.7.1)"
  check_eq [L + 0xF0], 0xFF, "local APIC: SVR, disabled by software"
  check_eq [L + 0xD0], 0, "local APIC: LDR"
  check_eq [L + 0xE0], 0xFFFFFFFF, "local APIC: DFR"
  check_eq [L + 0x320], 0x10000, "local APIC: LVT timer is masked"
  tcg_deviates "LINT0 of the bootstrap processor lets the 8259A through"
  check_eq [L + 0x350], 0x10000, "local APIC: LVT LINT0 is masked"
  conforms
  check_eq [L + 0x20], 0, "local APIC: ID"
  ret

reset_left:
  call common_left
  check_eq [RESET_CR0], 0x60000010, "CR0: caches off"
  msr SYSENTER_CS
  check_eq eax, 0, "MSRs: SYSENTER_CS"
  msr PAT
  check_eq eax, 0x00070406, "MSRs: PAT (SDM 3A 12.12.4)"
  msr MTRR_DEF_TYPE
  check_bits eax, 0xC00, 0, "MSRs: MTRRs are off (SDM 3A 12.11.2.1)"
  mov dword [SCRATCH], 0
  fnstcw [SCRATCH]
  tcg_deviates "it is 37Fh"
  check_bits [SCRATCH], 0xFFFF, 0x40, "x87 control word"
  conforms
  fnstsw ax
  movzx eax, ax
  check_eq eax, 0, "x87 status word"
  mov eax, 0x200
  mov cr4, eax
  stmxcsr [SCRATCH]
  check_eq [SCRATCH], 0x1F80, "MXCSR"
  movdqu [SCRATCH], xmm0
  check_eq [SCRATCH], 0, "XMM0"
  call pirq
  check_eq eax, 0x80, "the board was reset: PIRQ A is not routed (PIIX4 4.1.10)"
  ret

; INIT by its pin, which QEMU takes for the reset line.
pin_init_left:
  cmp byte [on_tcg], 0
  je init_left
  tcg_deviates "its pin is the reset line"
  check_eq 0, 1, "INIT"
  conforms
  call reset_left
  jmp memory_left

init_left:
  call common_left
  tcg_deviates "CD and NW are set"
  check_eq [RESET_CR0], 0x10, "CR0: CD and NW are as they were (SDM 3A Table 10-1)"
  conforms
  msr SYSENTER_CS
  check_eq eax, 0x1234, "MSRs are as they were: SYSENTER_CS"
  msr PAT
  check_eq eax, 0x00070401, "PAT"
  msr MTRR_DEF_TYPE
  tcg_deviates "they are off"
  check_bits eax, 0xCFF, 0x806, "MTRRs"
  conforms
  mov dword [SCRATCH], 0
  fnstcw [SCRATCH]
  check_bits [SCRATCH], 0xFFFF, 0x27F, "x87 control word is as it was"
  fnstsw ax
  and eax, 0x3800
  check_eq eax, 0x3800, "and the register stack"
  mov eax, 0x200
  mov cr4, eax
  stmxcsr [SCRATCH]
  check_eq [SCRATCH], 0x9F80, "MXCSR is as it was"
  movdqu [SCRATCH], xmm0
  check_eq [SCRATCH + 12], 0x44444444, "XMM0 is as it was"
  call pirq
  check_eq eax, 0x0B, "the board was not reset: PIRQ A is routed"
  check_port 0x87, 0x3C, "nor a DMA page register"
  call memory_left
  ret

; Memory and CMOS keep what they hold while there is power.
memory_left:
  check_eq [HIGH_RAM], KEPT, "memory is as it was"
  check_eq [VECTOR_467], 0xF0001234, "and the vector at 467h"
  get_cmos CMOS_SHUTDOWN
  tcg_deviates "its reset clears it"
  check_eq eax, 0x0A, "CMOS: the shutdown code"
  conforms
  get_cmos CMOS_FREE
  check_eq eax, 0xC3, "CMOS: a free register"
  ret
