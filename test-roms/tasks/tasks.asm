; Hardware task switches: by CALL, JMP, IRET, task gates and exceptions; what is
; saved and loaded, busy bits and links, and what goes wrong before and after
; the point of no return (Intel SDM Vol. 3A 9.2, 9.3, 9.4).
%include "../lib/rom.inc"

bits 32
%define T1 AREA                         ; the task that is called
%define T2 (AREA + 0x100)               ; the task that handles #TS
%define T16 (AREA + 0x200)              ; a 16-bit TSS
%define T1SEL FREE
%define T2SEL (FREE + 8)
%define TGATE (FREE + 0x10)
%define LDT1 (FREE + 0x18)
%define T16SEL (FREE + 0x20)
%define TSTACK (AREA + 0x2000)

; make_task BASE, EIP
%macro make_task 2
  mov eax, %1
  mov ebx, %2
  call fill_task
%endmacro

fill_task:
  push edi
  push ecx
  mov edi, eax
  mov edx, eax
  xor eax, eax
  mov ecx, 26
  rep stosd
  mov [edx + 0x20], ebx
  mov dword [edx + 0x24], 0x202 & ~0x200
  mov dword [edx + 0x38], TSTACK
  mov dword [edx + 0x4C], CODE32
  mov dword [edx + 0x48], DATA
  mov dword [edx + 0x50], DATA
  mov dword [edx + 0x54], DATA
  mov dword [edx + 0x58], DATA
  mov dword [edx + 0x5C], DATA
  mov word [edx + 0x66], 0x68
  pop ecx
  pop edi
  ret

; Whatever happened: this is the main task again.
home:
  pushfd
  and dword [esp], ~0x4000
  popfd
  mov byte [gdt + TSSSEL + 5], 0x89
  mov byte [gdt + T1SEL + 5], 0x89
  mov byte [gdt + T2SEL + 5], 0x89
  mov byte [gdt + T16SEL + 5], 0x81
  push eax
  mov eax, TSSSEL
  ltr ax
  mov eax, DATA
  mov fs, ax
  mov gs, ax
  xor eax, eax
  lldt ax
  pop eax
  clts
  ret

section .data
align 8
seen: times 16 dq 0
section .text

main:
  set_descriptor T1SEL, T1, 0x67, 0x0089
  set_descriptor T2SEL, T2, 0x67, 0x0089
  set_descriptor T16SEL, T16, 0x2B, 0x0081
  set_descriptor TGATE, 0, 0, 0
  mov dword [gdt + TGATE], T1SEL << 16
  mov dword [gdt + TGATE + 4], 0x8500
  set_descriptor LDT1, AREA + 0x400, 0xF, 0x0082
  call calls
  call jumps
  call gates
  call before
  call after
  call small
  ret

%macro in_task 1                        ; name of the slot: notes state inside a task
  pushfd
  pop dword [seen]
  str eax
  mov [seen + 4], eax
  mov eax, cr0
  mov [seen + 8], eax
  mov [seen + 12], esp
  movzx eax, byte [gdt + TSSSEL + 5]
  mov [seen + 16], eax
  movzx eax, byte [gdt + T1SEL + 5]
  mov [seen + 20], eax
%endmacro

calls:
  make_task T1, .task
  mov dword [T1 + 0x28], 0x1A1A1A1A     ; EAX
  mov dword [T1 + 0x44], 0xED1ED1ED     ; EDI
  mov esi, 0x51515151
  mov ebx, 0xB0B0B0B0
  clc
  call T1SEL:0x12345678
.back:
  setc cl
  movzx ecx, cl
  check_eq ecx, 0, "CALL to a TSS and IRET: the caller's flags are back (SDM 3A 9.3)"
  check_eq esi, 0x51515151, "its ESI"
  check_eq ebx, 0xB0B0B0B0, "its EBX"
  check_eq [seen + 24], 0x1A1A1A1A, "EAX of the task was that of its TSS"
  check_eq [seen + 28], 0xED1ED1ED, "and EDI"
  check_eq [seen + 4], T1SEL, "TR is the new TSS (SDM 3A 9.2.4)"
  mov eax, [seen]
  and eax, 0x4000
  check_eq eax, 0x4000, "NT is set (SDM 3A 9.4)"
  mov eax, [seen + 8]
  and eax, 8
  check_eq eax, 8, "CR0.TS is set"
  check_eq [seen + 12], TSTACK, "ESP is that of the TSS"
  check_eq [seen + 16], 0x8B, "the caller stays busy"
  check_eq [seen + 20], 0x8B, "the task is busy"
  movzx eax, word [T1]
  check_eq eax, TSSSEL, "the link is the caller"
  check_eq [TSS + 0x20], .back, "the caller's EIP is saved"
  check_eq [TSS + 0x40], 0x51515151, "and its ESI"
  movzx eax, word [TSS + 0x4C]
  check_eq eax, CODE32, "and its CS"
  movzx eax, byte [gdt + T1SEL + 5]
  check_eq eax, 0x89, "after IRET the task is not busy"
  str eax
  check_eq eax, TSSSEL, "TR is the caller's"
  check_eq [T1 + 0x20], .task_end, "the task's EIP is saved behind its IRET"
  mov eax, [T1 + 0x24]
  and eax, 0x4000
  check_eq eax, 0, "NT is clear in its saved flags"
  call home
  ret
.task:
  mov [seen + 24], eax
  mov [seen + 28], edi
  in_task 0
  stc
  iretd
.task_end:
  ud2

jumps:
  make_task T1, .task
  mov [landing_sp], esp
  jmp T1SEL:0
.back:
  check_eq [seen + 4], T1SEL, "JMP to a TSS"
  mov eax, [seen]
  and eax, 0x4000
  check_eq eax, 0, "does not set NT"
  check_eq [seen + 16], 0x89, "the old task is not busy any more"
  movzx eax, word [T1]
  check_eq eax, 0, "no link"
  call home
  ; the T flag
  make_task T1, .trapped
  mov word [T1 + 0x64], 1
  xor eax, eax
  mov dr6, eax
  catch .t
  jmp T1SEL:0
.trapped:
  nop
.t:
  mov eax, dr6
  mov [seen + 4], eax
  mov esp, [landing_sp]
  call home
  tcg_deviates "the T flag of a TSS is ignored"
  caught "#DB: the T flag of a TSS, before its first instruction (SDM 3A 19.3.1.5)", EXC(DB, 0), .trapped
  mov eax, [seen + 4]
  and eax, 0xE00F
  check_eq eax, 0x8000, "DR6.BT"
  conforms
  ret
.task:
  in_task 0
  mov esp, [landing_sp]
  jmp .back

gates:
  make_task T1, .task
  call TGATE:0
  check_eq [seen + 4], T1SEL, "CALL to a task gate (SDM 3A 9.2.5)"
  call home
  make_task T1, .task
  mov dword [IDT + 0x44 * 8], T1SEL << 16
  mov dword [IDT + 0x44 * 8 + 4], 0xE500
  int 0x44
  check_eq [seen + 4], T1SEL, "INT n by way of a task gate"
  check_eq [seen + 12], TSTACK, "pushes nothing"
  call home
  ; an exception with an error code
  make_task T2, .handler
  mov dword [IDT + 13 * 8], T2SEL << 16
  mov dword [IDT + 13 * 8 + 4], 0x8500
  mov dword [seen], 0
  mov eax, 0xFFF8
  catch .landed
.bad: mov ds, eax
.landed:
  catch_off
  call home
  check_eq [seen], 0xFFF8, "an exception by way of a task gate: its error code is on the new stack"
  check_eq [seen + 4], TSTACK - 4, "as a doubleword"
  check_eq [TSS + 0x20], .bad, "the saved EIP is the instruction's"
  mov eax, [TSS + 0x24]
  and eax, 0x10000
  tcg_deviates "RF is not set in a task"
  check_eq eax, 0x10000, "with RF (SDM 3A 19.3.1.1)"
  conforms
  set_gate32 IDT, 13, CODE32, stubs_32 + 13 * STUB, 0xEE
  ; in ring 3
  make_task T1, .user
  mov dword [T1 + 0x4C], UCODE32
  mov dword [T1 + 0x50], UDATA
  mov dword [T1 + 0x54], UDATA
  mov dword [T1 + 0x48], UDATA
  mov dword [T1 + 4], STACKI
  mov dword [T1 + 8], DATA
  mov dword [T1 + 0x58], 0
  mov dword [T1 + 0x5C], 0
  catch .from_user
  call T1SEL:0
.user:
  int SYS
.from_user:
  call home
  caught "a task in ring 3", EXC(SYS, 0)
  check_eq [fault_cs], UCODE32, "with the CS of its TSS"
  ret
.task:
  in_task 0
  iretd
.handler:
  mov [seen + 4], esp
  pop dword [seen]
  mov esp, [landing_sp]
  jmp [landing]

; SDM 3A 9.3, table 9-1: found before anything is changed
before:
  make_task T1, before
  mov byte [gdt + T1SEL + 5], 0x8B
  raises "#GP(TSS): CALL to a busy TSS", EXC(GP, T1SEL), call T1SEL:0
  mov byte [gdt + T1SEL + 5], 0x09
  raises "#NP(TSS): not present", EXC(NP, T1SEL), call T1SEL:0
  mov byte [gdt + T1SEL + 5], 0x89
  mov word [gdt + T1SEL], 0x66
  raises "#TS(TSS): its limit is below 67h", EXC(TS, T1SEL), call T1SEL:0
  mov word [gdt + T1SEL], 0x67
  raises "#GP(TSS): RPL above its DPL", EXC(GP, T1SEL), call T1SEL + 3:0
  user_raises "#GP(TSS): ring 3 and DPL 0", EXC(GP, T1SEL), call T1SEL:0
  mov byte [gdt + TGATE + 5], 0x05
  raises "#NP(gate): a task gate not present", EXC(NP, TGATE), call TGATE:0
  mov byte [gdt + TGATE + 5], 0x85
  mov word [gdt + TGATE + 2], CODE32
  raises "#GP(selector): a task gate to code", EXC(GP, CODE32), call TGATE:0
  mov word [gdt + TGATE + 2], T1SEL + 4
  tcg_deviates "raises #TS"
  raises "#GP(selector): a task gate to the LDT", EXC(GP, T1SEL + 4), call TGATE:0
  conforms
  mov word [gdt + TGATE + 2], T1SEL
  mov word [TSS], 0
  catch .no_link
  pushfd
  or dword [esp], 0x4000
  popfd
.iret: iretd
.no_link:
  call home
  caught "#TS(0): IRET with NT and a null link", EXC(TS, 0), .iret
  mov word [TSS], T1SEL
  catch .not_busy
  pushfd
  or dword [esp], 0x4000
  popfd
.iret2: iretd
.not_busy:
  call home
  caught "#TS(TSS): IRET to a task that is not busy", EXC(TS, T1SEL), .iret2
  movzx eax, byte [gdt + TSSSEL + 5]
  check_eq eax, 0x8B, "the task that failed to return is still busy"
  ret

; found in the new task: #TS goes to a task of its own, as the new stack may be none
%macro new_task_fault 4+                ; name, code, vector, the change to T1
  make_task T1, .never
  %4
  mov dword [seen], -1
  catch %%land
  call T1SEL:0
%%land:
  catch_off
  movzx ecx, word [T2]
  call home
  check_eq [seen], %2, %1
%endmacro

after:
  make_task T2, gates.handler
  mov dword [IDT + 10 * 8], T2SEL << 16
  mov dword [IDT + 10 * 8 + 4], 0x8500
  new_task_fault "#TS(CS): CS of the new TSS is data", DATA, TS, mov dword [T1 + 0x4C], DATA
  check_eq ecx, T1SEL, "and the new task is the one that failed"
  make_task T2, gates.handler
  new_task_fault "#TS(SS): SS is code", CODE32, TS, mov dword [T1 + 0x50], CODE32
  make_task T2, gates.handler
  new_task_fault "#TS(0): SS is null", 0, TS, mov dword [T1 + 0x50], 0
  make_task T2, gates.handler
  new_task_fault "#TS(DS): DS is the TSS", TSSSEL, TS, mov dword [T1 + 0x54], TSSSEL
  make_task T2, gates.handler
  new_task_fault "#TS(LDT): LDT is data", DATA, TS, mov dword [T1 + 0x60], DATA
  make_task T2, gates.handler
  new_task_fault "#TS(CS): CS with RPL 3, DPL 0", CODE32, TS, mov dword [T1 + 0x4C], CODE32 + 3
  set_gate32 IDT, 10, CODE32, stubs_32 + 10 * STUB, 0xEE
  ; an LDT that is one
  mov dword [AREA + 0x408], 0x0000FFFF
  mov dword [AREA + 0x40C], 0x00CF9300
  make_task T1, .with_ldt
  mov dword [T1 + 0x60], LDT1
  mov dword [T1 + 0x5C], 0xC
  call T1SEL:0
  call home
  check_eq [seen], LDT1, "LDTR is that of the TSS, and GS is loaded from it"
  check_eq [seen + 4], 0xC, "GS"
.never:
  ret
.with_ldt:
  xor eax, eax
  sldt ax
  mov [seen], eax
  mov eax, gs
  mov [seen + 4], eax
  mov eax, [gs:0]
  iretd

; A 16-bit TSS (SDM 3A 9.6)
small:
  mov edi, T16
  mov ecx, 11
  xor eax, eax
  rep stosd
  mov word [T16 + 14], .task - BASE     ; IP
  mov word [T16 + 16], 2
  mov word [T16 + 26], 0xF000           ; SP
  mov word [T16 + 18], 0x1A1A           ; AX
  mov word [T16 + 34], DATA             ; ES
  mov word [T16 + 36], CODE16           ; CS
  mov word [T16 + 38], DATA16           ; SS
  mov word [T16 + 40], DATA             ; DS
  call T16SEL:0
  call home
  tcg_deviates "the upper halves are 0"
  check_eq [seen], 0xFFFF1A1A, "a 16-bit TSS: the upper half of EAX is FFFFh (SDM 3A 9.6)"
  conforms
  check_eq [seen + 4], 0xF000, "SP"
  check_eq [seen + 8], T16SEL, "TR"
  check_eq [seen + 12], 0, "FS is null"
  movzx eax, word [T16 + 14]
  check_eq eax, .task_end - BASE, "IP is saved"
  ret
bits 16
.task:
  mov [dword seen], eax
  movzx eax, sp
  mov [dword seen + 4], eax
  str eax
  mov [dword seen + 8], eax
  mov eax, fs
  mov [dword seen + 12], eax
  iret
.task_end:
bits 32
