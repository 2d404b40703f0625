; Call gates, conforming code, far returns: changes of privilege without an
; interrupt (Intel SDM Vol. 3A 6.8).
%include "../lib/rom.inc"

bits 32
%define RING1CODE FREE
%define RING1DATA (FREE + 8)
%define CONFORMING (FREE + 0x10)
%define GATE (FREE + 0x18)
%define GATE16 (FREE + 0x20)
%define GATEN (FREE + 0x28)
%define GATE64 (FREE + 0x30)
%define UCONF (FREE + 0x40)
%define UCODE16 (FREE + 0x48)

; call_gate SELECTOR, TARGET SELECTOR, OFFSET, TYPE AND DPL, PARAMETERS
%macro call_gate 5
  mov eax, %3
  mov [gdt + %1], ax
  mov word [gdt + %1 + 2], %2
  mov word [gdt + %1 + 4], (%4) << 8 | (%5)
  shr eax, 16
  mov [gdt + %1 + 6], ax
%endmacro

; RETF to SELECTOR:0
%macro raises_with_stack 3
  catch %%land
  push dword %3
  push dword 0
%%at: retf
%%land:
  caught %1, %2, %%at
%endmacro

main:
  set_descriptor RING1CODE, 0, 0xFFFFF, 0xC0BB
  set_descriptor RING1DATA, 0, 0xFFFFF, 0xC0B3
  set_descriptor CONFORMING, 0, 0xFFFFF, 0xC09F
  set_descriptor UCONF, 0, 0xFFFFF, 0xC0FF
  mov dword [TSS + 12], STACKI - 0x1000
  mov dword [TSS + 16], RING1DATA + 1
  call same_ring
  call inward
  call far_returns
  call jumps
  call wide
  ret

section .data
align 8
seen: times 8 dq 0
section .text

same_ring:
  call_gate GATE, CODE32, .target, 0x8C, 0
  mov ebx, esp
  call GATE:0x12345678                  ; the offset is the gate's
  mov ecx, esp
  check_eq ecx, ebx, "a gate to the same ring: back with the stack as it was (SDM 3A 6.8.4)"
  check_eq [seen], 0x600D, "and its target ran"
  jmp .rest
.target:
  mov dword [seen], 0x600D
  retf
.rest:
  call_gate GATE, CODE32, .target, 0x0C, 0
  raises "#NP(gate): not present", EXC(NP, GATE), call GATE:0
  call_gate GATE, 0, .target, 0x8C, 0
  raises "#GP(0): to a null selector", EXC(GP, 0), call GATE:0
  call_gate GATE, DATA, .target, 0x8C, 0
  raises "#GP(selector): to data", EXC(GP, DATA), call GATE:0
  call_gate GATE, RING1CODE, .target, 0x8C, 0
  raises "#GP(selector): to a less privileged ring", EXC(GP, RING1CODE), call GATE:0
  call_gate GATE, 0xFFF8, .target, 0x8C, 0
  raises "#GP(selector): behind the table", EXC(GP, 0xFFF8), call GATE:0
  call_gate GATE, CODE32, .target, 0x8C, 0
  raises "#GP(gate): RPL above the DPL of the gate", EXC(GP, GATE), call GATE + 3:0
  set_descriptor GATEN, 0, 0xFFFFF, 0xC01B
  call_gate GATE, GATEN, .target, 0x8C, 0
  raises "#NP(selector): the target is not present", EXC(NP, GATEN), call GATE:0
  ret

inward:
  call_gate GATE, CODE32, .inner, 0xEC, 3
  catch .back
  enter_user .user
.user:
  push dword 0x11
  push dword 0x22
  push dword 0x33
  call GATE + 3:0
.returned:
  mov [seen + 32], esp
  int SYS
.inner:
  mov ax, cs
  movzx eax, ax
  mov [seen], eax
  mov ax, ss
  movzx eax, ax
  mov [seen + 4], eax
  mov [seen + 8], esp
  mov eax, [esp]
  mov [seen + 12], eax                  ; EIP
  mov eax, [esp + 4]
  mov [seen + 16], eax                  ; CS
  mov eax, [esp + 8]
  mov [seen + 20], eax                  ; the parameters
  mov eax, [esp + 16]
  mov [seen + 24], eax
  mov eax, [esp + 20]
  mov [seen + 28], eax                  ; ESP of ring 3
  retf 12
.back:
  caught "a gate from ring 3 to ring 0 and RETF 12 (SDM 3A 6.8.5, 6.8.6)", EXC(SYS, 0)
  check_eq [seen], CODE32, "CS has RPL 0"
  check_eq [seen + 4], DATA, "SS is that of the TSS"
  check_eq [seen + 8], STACKI - 28, "ESP: SS, ESP, three parameters, CS, EIP"
  check_eq [seen + 12], .returned, "EIP of the caller"
  check_eq [seen + 16], UCODE32, "CS of the caller"
  check_eq [seen + 20], 0x33, "the last parameter is the lowest"
  check_eq [seen + 24], 0x11, "the first the highest"
  check_eq [seen + 28], STACK3 - 12, "ESP of the caller, with its parameters"
  check_eq [seen + 32], STACK3, "RETF 12 drops them from both stacks"
  ; a 16-bit gate
  call_gate GATE16, CODE16, .inner16 - BASE, 0xE4, 1
  set_descriptor UCODE16, BASE, 0xFFFF, 0x00FB
  catch .back16
  enter_user .user16
bits 16
.user16_small:
  push word 0x77
  call GATE16 + 3:0
.returned16:
  int SYS
.inner16:
  mov [dword seen], esp
  mov ax, [esp + 4]
  movzx eax, ax
  mov [dword seen + 4], eax
  mov ax, [esp]
  mov [dword seen + 8], eax
  retf 2
bits 32
.user16: jmp UCODE16:.user16_small - BASE
.back16:
  caught "a 16-bit gate from ring 3 and back", EXC(SYS, 0)
  check_eq [seen + 8], .returned16 - BASE, "IP of the caller"
  check_eq [seen], STACKI - 10, "a 16-bit gate pushes words"
  check_eq [seen + 4], 0x77, "and copies words"
  call_gate GATE, CODE32, .inner, 0x8C, 0
  user_raises "#GP(gate): DPL 0 from ring 3", EXC(GP, GATE), call GATE + 3:0
  call_gate GATE, CONFORMING, .conforming, 0xEC, 0
  catch .conformed
  enter_user .user_conforming
.user_conforming:
  call GATE + 3:0
  int SYS
.conforming:
  int SYS
.conformed:
  caught "a gate to conforming code of DPL 0", EXC(SYS, 0)
  tcg_deviates "leaves the RPL of the gate's selector in CS"
  check_eq [fault_cs], CONFORMING + 3, "stays in ring 3"
  conforms
  call_gate GATE, RING1CODE, .ring1, 0xEC, 0
  catch .ringed
  enter_user .user_ring1
.user_ring1:
  call GATE + 3:0
.ring1:
  int SYS
.ringed:
  caught "a gate to ring 1", EXC(SYS, 0)
  check_eq [fault_cs], RING1CODE + 1, "CS has RPL 1"
  check_eq [fault_ss], RING1DATA + 1, "SS is SS1"
  mov dword [TSS + 16], RING1DATA
  user_raises "#TS(SS1): RPL of SS1 is not 1", EXC(TS, RING1DATA), call GATE + 3:0
  mov byte [gdt + RING1DATA + 5], 0x33
  mov dword [TSS + 16], RING1DATA + 1
  tcg_deviates "raises #TS for it"
  user_raises "#SS(SS1): not present", EXC(SS_, RING1DATA), call GATE + 3:0
  conforms
  mov byte [gdt + RING1DATA + 5], 0xB3
  call_gate GATE, CODE32, .inner, 0xEC, 0
  user_raises "#GP(0): JMP by way of a gate to ring 0 from ring 3", EXC(GP, CODE32), jmp GATE + 3:0
  ret

far_returns:
  push dword CODE32
  push dword .back
  retf
.back:
  check_eq 1, 1, "RETF to the same ring"
  raises_with_stack "#GP(0): RETF to null", EXC(GP, 0), 0
  raises_with_stack "#GP(selector): RETF to data", EXC(GP, DATA), DATA
  raises_with_stack "#GP(selector): RETF to a TSS", EXC(GP, TSSSEL), TSSSEL
  raises_with_stack "#GP(selector): RETF behind the table", EXC(GP, 0xFFF8), 0xFFF8
  raises_with_stack "#GP(selector): RETF to code of DPL 3 with RPL 0", EXC(GP, UCODE32 & ~3), UCODE32 & ~3
  raises_with_stack "#GP(selector): RETF to code of DPL 0 with RPL 3", EXC(GP, CODE32), CODE32 + 3
  ; outward
  catch .outer
  push dword UDATA
  push dword STACK3 - 64
  push dword UCODE32
  push dword .user
  retf
.user:
  int SYS
.outer:
  caught "RETF to ring 3 (SDM 3A 6.8.6)", EXC(SYS, 0)
  check_eq [fault_sp], STACK3 - 64, "with its ESP"
  check_eq [fault_ss], UDATA, "and its SS"
  catch .bad_ss
  push dword DATA
  push dword STACK3
  push dword UCODE32
  push dword .user
.retf: retf
.bad_ss:
  caught "#GP(SS): RETF to ring 3 with SS of DPL 0", EXC(GP, DATA), .retf
  catch .inner
  enter_user .from3
.from3:
  push dword CODE32
  push dword .user
.to0: retf
.inner:
  caught "#GP(CS): RETF from ring 3 to ring 0", EXC(GP, CODE32), .to0
  ret

jumps:
  raises "#GP(0): JMP to null", EXC(GP, 0), jmp 0:0
  raises "#GP(selector): JMP to data", EXC(GP, DATA), jmp DATA:0
  raises "#GP(selector): JMP to less privileged code", EXC(GP, UCODE32 & ~3), jmp UCODE32:0
  raises "#GP(selector): JMP to an LDT without LDTR", EXC(GP, 4), jmp 4:0
  raises "#GP(selector): CALL to conforming code of a lower ring", EXC(GP, UCONF), call UCONF:0
  user_raises "#GP(selector): ring 3: JMP to code of DPL 0", EXC(GP, CODE32), jmp CODE32:0
  user_raises "#GP(selector): ring 3: RPL does not help", EXC(GP, CODE32), jmp CODE32 + 3:0
  catch .conformed
  enter_user .user
.user:
  jmp CONFORMING:.there
.there:
  int SYS
.conformed:
  caught "ring 3: JMP to conforming code of DPL 0 (SDM 3A 6.8.1.2)", EXC(SYS, 0)
  check_eq [fault_cs], CONFORMING + 3, "CS has RPL 3"
  ; code of another size
  mov dword [seen], 0
  call CODE16:.small - BASE
  check_eq [seen], 0x10, "a far CALL with a 32-bit operand to 16-bit code, and back"
  ret
bits 16
.small:
  mov dword [dword seen], 0x10
  o32 retf
bits 32

; 64-bit call gates (SDM 3A 6.8.3.1)
wide:
  long_on
  call_gate GATE64, CODE64, .inner, 0xEC, 0
  mov dword [gdt + GATE64 + 8], 0
  mov dword [gdt + GATE64 + 12], 0
  catch .back
  enter_user .user
.user:
  call far dword [abs .pointer]
.returned:
  mov [seen + 32], rsp
  int SYS
.pointer: dd 0
  dw GATE64 + 3
.inner:
  mov [seen], rsp
  mov eax, ss
  mov [seen + 8], rax
  mov rax, [rsp]
  mov [seen + 16], rax
  mov rax, [rsp + 16]
  mov [seen + 24], rax
  o64 retf
.back:
  caught "a 64-bit call gate from ring 3 and RETFQ", EXC(SYS, 0)
  check_eq [seen], STACKI - 32, "it pushes four quadwords on RSP0"
  check_eq [seen + 8], 0, "SS is null"
  check_eq [seen + 16], .returned, "RIP"
  check_eq [seen + 24], STACK3, "SS is above RSP, no parameters between"
  check_eq [seen + 32], STACK3, "RSP of ring 3 is back"
  mov dword [gdt + GATE64 + 12], 0x1F00
  raises "#GP(gate): type bits in its upper half are not 0", EXC(GP, GATE64), call far dword [abs .pointer]
  mov dword [gdt + GATE64 + 12], 0
  call_gate GATE64, CODE32, .inner, 0xEC, 0
  raises "#GP(selector): to code that is not 64-bit", EXC(GP, CODE32), call far dword [abs .pointer]
  call_gate GATE64, CODE64, .inner, 0xE4, 0
  raises "#GP(gate): 16-bit gates are undefined in long mode", EXC(GP, GATE64), call far dword [abs .pointer]
  call_gate GATE64, CODE64, .inner, 0xEC, 0
  mov dword [gdt + GATE64 + 8], 0x8000
  tcg_deviates "the target faults, not the CALL"
  raises "#GP(0): its offset is not canonical", EXC(GP, 0), call far dword [abs .pointer]
  conforms
  raises "#UD: CALL ptr16:32 in 64-bit mode", EXC(UD, 0), db 0x9A, 0, 0, 0, 0, 8, 0
  long_off
  ret
