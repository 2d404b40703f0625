; When an interrupt is taken and what its delivery does: STI's shadow, HLT,
; priorities and masks of the local APIC, NMI and its mask, gates, stacks and IST
; in long mode (Intel SDM Vol. 3A 7.8, 7.12, 7.14; 13.6, 13.8).
%include "../lib/rom.inc"

bits 32
%define LAPIC 0xFEE00000
%define TPR (LAPIC + 0x80)
%define PPR (LAPIC + 0xA0)
%define EOI (LAPIC + 0xB0)
%define SVR (LAPIC + 0xF0)
%define ISR (LAPIC + 0x100)
%define IRR (LAPIC + 0x200)
%define ICR (LAPIC + 0x300)
%define ICRHIGH (LAPIC + 0x310)
%define LAPICID (LAPIC + 0x20)
%define SELF 0x40000

; send VECTOR: an interrupt to ourselves
%macro send 1
  mov dword [ICR], SELF | (%1)
%endmacro

%macro send64 1
  mov dword [r15 + 0x300], SELF | (%1)
%endmacro

main:
  mov dword [SVR], 0x1FF
  mov dword [TPR], 0
  call shadows
  call gate_types
  call priorities
  call nmis
  call long_mode
  ret

section .data
align 8
order: times 8 dq 0
count: dq 0
section .text

; SDM 3A 7.8.3; 2B STI
shadows:
  send 0x51
  mov eax, [IRR + 0x20]
  bt eax, 0x11
  check_cc c, "an interrupt that IF masks waits in IRR (SDM 3A 13.8.4)"
  catch .a
  sti
  nop
.a1: nop
  nop
.a: mov dword [EOI], 0
  caught "STI: the interrupt comes after the next instruction", EXC(0x51, 0), .a1
  send 0x51
  catch .b
  sti
  cli
  nop
  nop
.b:
  caught "STI, CLI: it does not come at all", NOFAULT
  catch .c
  pushfd
  or dword [esp], 0x200
  popfd
.c1: nop
  nop
.c: mov dword [EOI], 0
  caught "POPFD has no shadow", EXC(0x51, 0), .c1
  send 0x51
  catch .d
  sti
  hlt
.d1: nop
.d: mov dword [EOI], 0
  caught "STI, HLT: it wakes the processor and returns behind HLT", EXC(0x51, 0), .d1
  send 0x51
  catch .e
  pushfd
  or dword [esp], 0x200
  push dword CODE32
  push dword .e1
  iretd
.e1: nop
.e: mov dword [EOI], 0
  caught "IRETD that sets IF", EXC(0x51, 0), .e1
  check_eq [fault_cs], CODE32, "CS of what was interrupted"
  ; while IF is set, STI has no shadow (one instruction at most is late anyway)
  send 0x51
  catch .f
  sti
  mov eax, 1
.f1: mov eax, 2
.f: mov dword [EOI], 0
  caught "the shadow holds for one instruction", EXC(0x51, 0), .f1
  check_eq eax, 1, "which was executed"
  ret

gate_types:
  set_gate32 IDT, 0x52, CODE32, .handler, 0x8E
  set_gate32 IDT, 0x53, CODE32, .handler, 0x8F
  sti
  int 0x52
  mov eax, [order]
  and eax, 0x200
  check_eq eax, 0, "an interrupt gate clears IF (SDM 3A 7.12.1.3)"
  int 0x53
  mov eax, [order]
  and eax, 0x200
  check_eq eax, 0x200, "a trap gate does not"
  pushfd
  pop eax
  and eax, 0x200
  check_eq eax, 0x200, "IRET brings IF back"
  cli
  pushfd
  or dword [esp], 0x4000
  popfd
  int 0x53
  mov eax, [order]
  and eax, 0x4100
  check_eq eax, 0, "NT and TF are clear in the handler"
  pushfd
  and dword [esp], ~0x4000
  popfd
  set_gate32 IDT, 0x54, CODE16, .handler16 - BASE, 0x86
  mov ebx, esp
  int 0x54
  mov ecx, esp
  check_eq ecx, ebx, "a 16-bit gate and a 16-bit IRET"
  mov eax, [order]
  sub ebx, eax
  check_eq ebx, 6, "it pushes words"
  ret
.handler:
  pushfd
  pop dword [order]
  iretd
bits 16
.handler16:
  mov [dword order], esp
  ; IP has 16 bits, so the return address is made whole again
  jmp dword CODE32:.wide
bits 32
.wide:
  mov ax, [esp]
  movzx eax, ax
  or eax, BASE + (OFFSET(gate_types.handler16) & 0xFFFF0000)
  add esp, 6
  jmp eax

; SDM 3A 13.8.3, 13.8.4
priorities:
  set_gate32 IDT, 0x61, CODE32, .h61, 0x8E
  set_gate32 IDT, 0x62, CODE32, .h62, 0x8E
  set_gate32 IDT, 0x71, CODE32, .h71, 0x8E
  mov dword [count], 0
  send 0x61
  send 0x71
  send 0x62
  sti
  nop
  nop
  nop
  nop
  cli
  check_eq [count], 3, "three interrupts waited, three came"
  check_eq [order], 0x71, "the highest vector first (SDM 3A 13.8.3)"
  check_eq [order + 4], 0x62, "then the higher of the same class"
  check_eq [order + 8], 0x61, "then the last"
  mov dword [count], 0
  send 0x61
  send 0x61
  sti
  nop
  nop
  nop
  cli
  check_eq [count], 1, "the same vector twice is one request in IRR"
  mov dword [count], 0
  mov dword [TPR], 0x60
  send 0x61
  send 0x71
  sti
  nop
  nop
  nop
  cli
  check_eq [count], 1, "TPR 60h holds 6xh back"
  check_eq [order], 0x71, "and lets 71h through"
  check_eq [PPR], 0x60, "PPR is TPR while nothing is in service"
  mov dword [TPR], 0
  sti
  nop
  nop
  cli
  check_eq [count], 2, "and the other follows when TPR falls"
  ; nesting
  set_gate32 IDT, 0x63, CODE32, .h63, 0x8E
  mov dword [count], 0
  send 0x63
  sti
  nop
  nop
  nop
  cli
  check_eq [count], 3, "in service 63h lets 71h in and keeps 62h out until EOI"
  check_eq [order], 0x71, "71h came first"
  check_eq [order + 4], 0x63, "then the end of 63h"
  check_eq [order + 8], 0x62, "then 62h"
  check_eq [order + 16], 0x60, "PPR in its handler is its class"
  check_eq [order + 20], 8, "and its bit is in ISR"
  mov eax, [ISR + 0x30]
  check_eq eax, 0, "ISR is empty after the EOIs"
  send 0x0F
  mov eax, [LAPIC + 0x280]
  mov dword [LAPIC + 0x280], 0
  mov eax, [LAPIC + 0x280]
  and eax, 0x20
  tcg_deviates "illegal vectors are not noted"
  check_eq eax, 0x20, "vector 0Fh: ESR, send illegal vector (SDM 3A 13.5.3)"
  conforms
  mov dword [LAPIC + 0x280], 0
  mov dword [LAPIC + 0x280], 0
  ret
.h61:
  push eax
  mov eax, 0x61
  jmp .note
.h62:
  push eax
  mov eax, 0x62
  jmp .note
.h71:
  push eax
  mov eax, 0x71
.note:
  push ebx
  mov ebx, [count]
  mov [order + ebx * 4], eax
  inc dword [count]
  mov dword [EOI], 0
  pop ebx
  pop eax
  iretd
.h63:
  send 0x62
  send 0x71
  sti
  nop
  nop
  cli
  push dword [PPR]
  pop dword [order + 16]
  push dword [ISR + 0x30]
  pop dword [order + 20]
  push eax
  mov eax, 0x63
  jmp .note

; SDM 3A 7.7.1
nmis:
  mov eax, [LAPICID]
  mov [ICRHIGH], eax
  catch .a
  mov dword [ICR], 0x400
  mov ecx, 1000
.wait: loop .wait
.a:
  push dword 0                          ; leave the NMI's mask
  popfd
  call .unmask
  caught "an NMI that the APIC sends is taken with IF clear", EXC(NMI, 0)
  set_gate32 IDT, 2, CODE32, .handler, 0x8E
  mov dword [count], 0
  mov dword [ICR], 0x400
  mov ecx, 1000
.wait2: loop .wait2
  check_eq [count], 2, "an NMI in an NMI's handler waits for its IRET"
  check_eq [order], 1, "the first had not been interrupted"
  check_eq [order + 4], 2, "the second came after"
  set_gate32 IDT, 2, CODE32, stubs_32 + 2 * STUB, 0x8E
  ret
.handler:
  push ecx
  push eax
  inc dword [count]
  mov ecx, [count]
  cmp ecx, 1
  jne .second
  mov dword [ICR], 0x400
  mov ecx, 1000
.hold: loop .hold
  mov ecx, 1
.second:
  mov eax, [count]
  mov [order + ecx * 4 - 4], eax
  pop eax
  pop ecx
  iretd
.unmask:
  pushfd
  push dword CODE32
  push dword .unmasked
  iretd
.unmasked:
  ret

; SDM 3A 7.14
long_mode:
  long_on
  mov r15d, LAPIC
  send64 0x51
  catch .a
  sti
  nop
.a1: nop
.a:
  mov dword [r15 + 0xB0], 0
  mov rax, SCRATCH
  caught "64-bit: an interrupt after STI", EXC(0x51, 0), .a1
  mov rax, [fault_sp]
  mov rbx, rsp
  check_eq rax, rbx, "RSP is pushed without a change of ring (SDM 3A 7.14.2)"
  mov rax, [fault_frame]
  and eax, 15
  check_eq rax, 0, "the stack is aligned to 16 before the frame"
  mov rbp, rsp
  sub rsp, 3
  catch .b
  int 0x55
.b:
  mov rsp, rbp
  caught "INT n on a stack that is not aligned", EXC(0x55, 0)
  mov rax, [fault_frame]
  and eax, 15
  check_eq rax, 0, "aligns it"
  lea rbx, [rbp - 3]
  check_eq [fault_sp], rbx, "and saves it as it was"
  user_raises "from ring 3", EXC(SYS, 0), nop
  mov ebx, ss
  check_eq rbx, 0, "SS is null in the handler (SDM 3A 7.14.4)"
  check_eq [fault_ss], UDATA, "SS of ring 3 is saved"
  mov eax, DATA
  mov ss, eax
  set_gate64 0x56, stubs_64 + 0x56 * STUB, 0x8E, 1
  catch .c
  int 0x56
.c:
  caught "a gate with an IST (SDM 3A 7.14.5)", EXC(0x56, 0)
  mov rax, [fault_frame]
  check_eq rax, STACKI - 0x800 - 48, "runs on it, also in the same ring"
  mov qword [TSS64 + 36], 0x1000000
  bts qword [TSS64 + 36], 47
  set_gate64 DF, stubs_64 + DF * STUB, 0x8E, 2
  mov dword [TSS64 + 44], STACKI - 0x400
  mov dword [TSS64 + 48], 0
  catch .d
.d1: int 0x56
.d:
  caught "an IST that is not canonical is #SS(0)", EXC(SS_, 0), .d1
  mov qword [TSS64 + 36], STACKI - 0x800
  ; gates
  set_gate64 0x57, 0, 0x8F, 0
  mov word [IDT64 + 0x57 * 16 + 2], CODE32
  raises "#GP(selector): a gate to 32-bit code", EXC(GP, CODE32), int 0x57
  set_gate64 0x57, 0, 0x85, 0
  tcg_deviates "the error code is vector x 16 + 2"
  raises "#GP(vector): a task gate in long mode", EXC(GP, 0x57 * 8 + 2), int 0x57
  conforms
  set_gate64 0x57, 0, 0x86, 0
  tcg_deviates "the error code is vector x 16 + 2"
  raises "#GP(vector): a 16-bit gate in long mode", EXC(GP, 0x57 * 8 + 2), int 0x57
  conforms
  raises "#UD: INTO", EXC(UD, 0), db 0xCE
  raises "#UD: BOUND", EXC(UD, 0), db 0x62, 0x04, 0x25
  raises "#UD: PUSH CS", EXC(UD, 0), db 0x0E
  raises "#UD: AAA", EXC(UD, 0), db 0x37
  raises "#UD: POPA", EXC(UD, 0), db 0x61
  raises "#UD: far JMP with an immediate", EXC(UD, 0), db 0xEA
  raises "#UD: LDS", EXC(UD, 0), db 0xC5, 0xC0
  raises "#UD: SALC", EXC(UD, 0), db 0xD6
  ; IRETQ
  catch .e
  push qword DATA
  push rsp
  pushfq
  push qword CODE64
  mov rax, 0x800000000000
  push rax
.e1: iretq
.e:
  tcg_deviates "the target faults, not the IRET"
  caught "#GP(0): IRETQ to an address that is not canonical", EXC(GP, 0), .e1
  conforms
  catch .f
  push qword 0
  push rsp
  pushfq
  push qword CODE64
  push qword .f1
  iretq
.f1: int 0x55
.f:
  caught "IRETQ to ring 0 with a null SS", EXC(0x55, 0)
  mov eax, DATA
  mov ss, eax
  ; TPR is CR8
  mov eax, 5
  mov cr8, rax
  mov eax, [r15 + 0x80]
  check_eq rax, 0x50, "CR8 is TPR[7:4] (SDM 3A 13.8.6)"
  mov dword [r15 + 0x80], 0x9F
  mov rax, cr8
  check_eq rax, 9, "and the other way"
  mov ecx, 16
  tcg_deviates "the bits are dropped"
  raises "#GP(0): CR8 with a reserved bit", EXC(GP, 0), mov cr8, rcx
  conforms
  mov ecx, 8
  mov cr8, rcx
  send64 0x72
  catch .g
  sti
  nop
  mov ecx, 6
  mov cr8, rcx
.g1: nop
.g:
  mov dword [r15 + 0xB0], 0
  xor ecx, ecx
  mov cr8, rcx
  cli
  caught "MOV to CR8 lets a waiting interrupt in", EXC(0x72, 0), .g1
  long_off
  ret
