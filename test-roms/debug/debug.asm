; Debug registers and single-step: what each condition leaves in DR6, whether it
; is a fault or a trap, and what holds it back (Intel SDM Vol. 3A chapter 19).
%include "../lib/rom.inc"

bits 32
; set_dr7 VALUE: and DR6 is cleared
%macro set_dr7 1
  push eax
  xor eax, eax
  mov dr6, eax
  mov eax, %1
  mov dr7, eax
  pop eax
%endmacro

; check_dr6 EXPECTED, NAME: the low 4 bits, BD, BS, BT
%macro check_dr6 2
  mov eax, dr6
  and eax, 0xE00F
  check_eq eax, %1, %2
  xor eax, eax
  mov dr6, eax
%endmacro

%macro flags_with_tf 0
  pushfd
  or dword [esp], 0x100
  popfd
%endmacro

main:
  call registers
  call data
  call instruction
  call stepping
  call rep_step
  call shadows
  call ports
  call general_detect
  call long_mode
  ret

registers:
  xor eax, eax
  mov dr7, eax
  mov eax, dr7
  check_eq eax, 0x400, "DR7: bit 10 is 1 (SDM 3A 19.2.4)"
  xor eax, eax
  mov dr6, eax
  mov eax, dr6
  check_eq eax, 0xFFFF0FF0, "DR6: bits 31:16 and 11:4 are 1 (SDM 3A 19.2.3)"
  mov eax, 0x12345678
  mov dr0, eax
  mov ebx, dr0
  check_eq ebx, 0x12345678, "DR0 is 32 bits wide"
  mov eax, cr4
  and al, ~8
  mov cr4, eax
  mov eax, 0x12345678
  raises "DR4 is DR6 without CR4.DE (SDM 3A 19.2.2)", NOFAULT, mov ebx, dr4
  check_eq ebx, 0xFFFF0FF0, "its value"
  raises "DR5 is DR7", NOFAULT, mov ebx, dr5
  check_eq ebx, 0x400, "its value"
  mov eax, cr4
  or al, 8
  mov cr4, eax
  raises "#UD: DR4 with CR4.DE", EXC(UD, 0), mov ebx, dr4
  raises "#UD: DR5 with CR4.DE", EXC(UD, 0), mov ebx, dr5
  ret

; SDM 3A 19.3.1.2: data breakpoints are traps
data:
  mov eax, SCRATCH + 0x100
  mov dr0, eax
  set_dr7 0x000D0002                    ; DR0: global, write, 4 bytes
  traps "a write to a watched doubleword is a trap", EXC(DB, 0), mov [SCRATCH + 0x100], eax
  check_dr6 1, "DR6.B0"
  raises "a read of it is not watched", NOFAULT, mov eax, [SCRATCH + 0x100]
  traps "a write of its last byte", EXC(DB, 0), mov [SCRATCH + 0x103], al
  check_dr6 1, "DR6.B0"
  raises "a write behind it", NOFAULT, mov [SCRATCH + 0x104], al
  traps "a write that only overlaps", EXC(DB, 0), mov [SCRATCH + 0xFE], eax
  raises "a write before it", NOFAULT, mov [SCRATCH + 0xFC], eax
  traps "a read-modify-write", EXC(DB, 0), inc dword [SCRATCH + 0x100]
  set_dr7 0x000F0002                    ; read or write
  traps "R/W 11b: a read", EXC(DB, 0), mov eax, [SCRATCH + 0x100]
  check_dr6 1, "DR6.B0"
  traps "a compare", EXC(DB, 0), cmp byte [SCRATCH + 0x102], 0
  set_dr7 0x000F0001                    ; local
  traps "L0 enables as G0 does", EXC(DB, 0), mov eax, [SCRATCH + 0x100]
  set_dr7 0x000F0000
  raises "neither L0 nor G0", NOFAULT, mov eax, [SCRATCH + 0x100]
  mov eax, SCRATCH + 0x103
  mov dr0, eax
  set_dr7 0x000F0002
  tcg_deviates "the low address bits count"
  traps "LEN 4: the low address bits are ignored (SDM 3A 19.2.5)", EXC(DB, 0), mov al, [SCRATCH + 0x100]
  conforms
  set_dr7 0x00030002
  raises "LEN 1: just the byte", NOFAULT, mov al, [SCRATCH + 0x102]
  traps "LEN 1: the byte", EXC(DB, 0), mov al, [SCRATCH + 0x103]
  ; two at once, one of them not enabled
  mov eax, SCRATCH + 0x200
  mov dr1, eax
  mov dr2, eax
  mov dr3, eax
  set_dr7 0x33300088                    ; G1 and G3, byte, read or write
  traps "two breakpoints at one byte", EXC(DB, 0), mov al, [SCRATCH + 0x200]
  mov eax, dr6
  and eax, 0xA
  tcg_deviates "breakpoints that are not enabled are not reported, nor a second one"
  check_eq eax, 0xA, "DR6.B1 and B3"
  conforms
  xor eax, eax
  mov dr6, eax
  ; stack
  mov eax, STACK0 - 0x400
  mov dr0, eax
  set_dr7 0x000D0002
  mov ebp, esp
  mov esp, STACK0 - 0x3FC
  catch .pushed
  push eax
.push_end: nop
.pushed:
  mov esp, ebp
  caught "PUSH to a watched doubleword", EXC(DB, 0), .push_end
  set_dr7 0
  ret

; SDM 3A 19.3.1.1: instruction breakpoints are faults
instruction:
  mov eax, .target
  mov dr0, eax
  set_dr7 2
  mov ecx, 5
  catch .hit
  jmp .target
.hit:
  caught "an instruction breakpoint is a fault", EXC(DB, 0), .target
  check_eq ecx, 5, "the instruction has not executed"
  check_dr6 1, "DR6.B0"
  mov eax, [fault_flags]
  and eax, 0x10000
  check_eq eax, 0, "RF is clear in the saved flags: the handler must set it (SDM 3A 19.3.1.1)"
  catch .resumed
  pushfd
  or dword [esp], 0x10000
  push dword CODE32
  push dword .target
  iretd
.resumed:
  caught "IRETD with RF: the instruction executes", NOFAULT
  check_eq ecx, 6, "it did"
  catch .again
  pushfd
  or dword [esp], 0x10000
  push dword CODE32
  push dword .before
  iretd
.before: jmp .target
.again:
  caught "RF holds for one instruction", EXC(DB, 0), .target
  mov eax, .second
  mov dr0, eax
  catch .not_first
  db 0x81, 0xC1                         ; ADD ECX, imm32
.second: dd 0x90909090
.not_first:
  caught "an address inside an instruction does not match", NOFAULT
  set_dr7 0
  ret
.target: inc ecx
  jmp [landing]

; SDM 3A 19.3.1.4
stepping:
  catch .a
  flags_with_tf
  nop                                   ; POPFD sets TF: the trap is behind this
.a1: nop
.a:
  caught "TF: the trap comes after the instruction behind POPFD", EXC(DB, 0), .a1
  check_dr6 0x4000, "DR6.BS"
  mov eax, [fault_flags]
  and eax, 0x10100
  check_eq eax, 0x100, "TF is in the saved flags, RF is not"
  pushfd
  pop eax
  and eax, 0x100
  check_eq eax, 0, "TF is clear in the handler"
  ; an instruction that faults is not stepped
  catch .b
  flags_with_tf
.b1: ud2
  nop
.b:
  caught "an instruction that faults gives its fault, no #DB", EXC(UD, 0), .b1
  check_dr6 0, "and no BS"
  ; INT n clears TF before the trap
  catch .c
  flags_with_tf
  int 0x58
  nop
.c:
  caught "INT n with TF: the handler comes, not stepped", EXC(0x58, 0)
  check_dr6 0, "no BS"
  ; branches
  catch .d
  flags_with_tf
  jmp .d1
  nop
.d1: nop
.d:
  caught "a jump is stepped to its target", EXC(DB, 0), .d1
  ; TF and a data breakpoint of the same instruction
  mov eax, SCRATCH + 0x100
  mov dr0, eax
  set_dr7 0x000D0002
  catch .e
  flags_with_tf
  mov [SCRATCH + 0x100], eax
.e1: nop
.e:
  tcg_deviates "the order is another"
  caught "TF and a data breakpoint: one #DB", EXC(DB, 0), .e1
  conforms
  check_dr6 0x4001, "DR6.BS and B0"
  set_dr7 0
  ; DR6 is never cleared by the processor: BS of before stays
  catch .f
  flags_with_tf
  nop
.f1: nop
.f:
  caught "INT1 after a step", EXC(DB, 0), .f1
  tcg_deviates "INT1 is undefined to it"
  catch .g
  db 0xF1
.g:
  caught "INT1", EXC(DB, 0), .g
  conforms
  check_dr6 0x4000, "leaves DR6 alone"
  ; IRETD to TF
  catch .h
  pushfd
  or dword [esp], 0x100
  push dword CODE32
  push dword .h0
  iretd
.h0: nop
.h1: nop
.h:
  caught "IRETD that sets TF: the trap is behind the next instruction", EXC(DB, 0), .h1
  check_dr6 0x4000, "DR6.BS"
  ; POPFD that clears TF is itself stepped
  catch .i
  pushfd
  pushfd
  or dword [esp], 0x100
  popfd
  popfd                                 ; TF was set when it began
.i1: nop
.i:
  caught "POPFD that clears TF is still stepped", EXC(DB, 0), .i1
  xor eax, eax
  mov dr6, eax
  ret

rep_step:
  ; REP: a trap after each iteration, with EIP at the instruction
  mov esi, SCRATCH
  mov edi, SCRATCH + 0x100
  mov ecx, 3
  catch .a
  flags_with_tf
.a1: rep movsb
  nop
.a:
  caught "REP MOVSB with TF: a trap after one iteration (SDM 3A 19.3.1.4)", EXC(DB, 0), .a1
  check_eq ecx, 2, "ECX has been counted down by one"
  mov ecx, 1
  catch .b
  flags_with_tf
  rep movsb
.b1: nop
.b:
  caught "the last iteration's trap is behind it", EXC(DB, 0), .b1
  xor ecx, ecx
  catch .c
  flags_with_tf
  rep movsb
.c1: nop
.c:
  caught "no iteration at all: behind it too", EXC(DB, 0), .c1
  ; a data breakpoint in the midst
  mov eax, SCRATCH + 0x104
  mov dr0, eax
  set_dr7 0x00010002
  mov edi, SCRATCH + 0x100
  mov ecx, 16
  mov al, 0x77
  catch .d
.d1: rep stosb
.d:
  caught "REP STOSB over a watched byte stops behind that iteration", EXC(DB, 0), .d1
  check_eq ecx, 11, "after five of sixteen"
  check_dr6 1, "DR6.B0"
  set_dr7 0
  ret

; SDM 3A 7.8.3: MOV SS and POP SS hold back debug exceptions until the next
; instruction is done
shadows:
  mov eax, ss
  catch .a
  flags_with_tf
  mov ss, ax
  nop
.a1: nop
.a:
  caught "TF, MOV SS: the trap is behind the instruction after it", EXC(DB, 0), .a1
  mov eax, .b0
  mov dr0, eax
  set_dr7 2
  mov eax, ss
  catch .b
  mov ss, ax
.b0: nop
.b:
  tcg_deviates "it hits"
  caught "an instruction breakpoint in the shadow of MOV SS does not hit", NOFAULT
  conforms
  mov eax, SCRATCH + 0x300
  mov dr0, eax
  mov word [SCRATCH + 0x300], ss
  set_dr7 0x000F0002
  catch .c
  mov ss, [SCRATCH + 0x300]
  nop
.c1: nop
.c:
  tcg_deviates "the trap is not held back"
  caught "a data breakpoint of MOV SS itself is held back", EXC(DB, 0), .c1
  check_dr6 1, "and reported then (SDM 3A 7.8.3)"
  conforms
  set_dr7 0
  ret

; SDM 3A 19.2.4, CR4.DE
ports:
  mov eax, 0x80
  mov dr0, eax
  mov eax, cr4
  or al, 8
  mov cr4, eax
  set_dr7 0x00020002                    ; I/O, one byte
  traps "OUT to a watched port is a trap", EXC(DB, 0), out 0x80, al
  check_dr6 1, "DR6.B0"
  traps "IN too", EXC(DB, 0), in al, 0x80
  raises "the port beside it is not watched", NOFAULT, in al, 0x81
  xor eax, eax
  mov dr6, eax
  traps "a word that covers the port", EXC(DB, 0), in ax, 0x7F
  mov eax, 0x82
  mov dr0, eax
  raises "a memory access at that address is none", NOFAULT, mov al, [0x82]
  set_dr7 0
  ret

; DR7.GD
general_detect:
  tcg_deviates "GD is ignored"
  set_dr7 0x2000
  raises "DR7.GD: MOV from a debug register is a fault", EXC(DB, 0), mov eax, dr0
  mov eax, dr7
  mov ebx, eax
  and ebx, 0x2000
  check_eq ebx, 0, "GD is cleared for the handler"
  check_dr6 0x2000, "DR6.BD"
  set_dr7 0x2000
  user_raises "in ring 3 #GP(0) comes first", EXC(GP, 0), mov eax, dr0
  catch .off                            ; the next access clears GD
  mov eax, dr0
.off: catch_off
  conforms
  set_dr7 0
  ret

long_mode:
  long_on
  mov rax, 0x1234567890
  mov dr0, rax
  mov rbx, dr0
  sub rbx, rax
  check_eq rbx, 0, "DR0 is 64 bits wide"
  mov eax, 1
  shl rax, 32
  raises "#GP(0): upper bits of DR7", EXC(GP, 0), mov dr7, rax
  raises "#GP(0): upper bits of DR6", EXC(GP, 0), mov dr6, rax
  mov eax, SCRATCH + 0x400
  mov dr0, rax
  xor eax, eax
  mov dr6, rax
  mov eax, 0x000B0002                   ; read or write, LEN 10b
  mov dr7, rax
  traps "LEN 10b is 8 bytes", EXC(DB, 0), mov al, [SCRATCH + 0x407]
  xor eax, eax
  mov dr7, rax
  mov dr6, rax
  ; ring 3
  mov qword [user_flags], 0x102
  catch .a
  enter_user .user
.user: nop
.user1: nop
  int SYS
.a:
  mov qword [user_flags], 2
  caught "TF in ring 3, entered with IRETQ", EXC(DB, 0), .user1
  mov rax, dr6
  and eax, 0x4000
  check_eq rax, 0x4000, "DR6.BS"
  xor eax, eax
  mov dr6, rax
  ; SYSCALL with TF: FMASK decides
  mov ecx, 0xC0000080
  rdmsr
  or al, 1
  wrmsr
  mov ecx, 0xC0000081
  xor eax, eax
  mov edx, (UCODE32 << 16) | CODE64
  wrmsr
  mov ecx, 0xC0000082
  xor edx, edx
  mov eax, .entry
  wrmsr
  mov ecx, 0xC0000084
  mov eax, 0x100
  wrmsr
  mov qword [user_flags], 0x102
  catch .b
  enter_user .calls
.calls: syscall
  nop
.b0:
.entry: nop
.entry1: nop
  int 0x59
.b:
  mov rsp, [landing_sp]
  caught "SYSCALL with TF and FMASK.TF is not stepped", EXC(0x59, 0)
  mov ecx, 0xC0000084
  xor eax, eax
  wrmsr
  xor eax, eax
  mov dr6, rax
  catch .c
  enter_user .calls
.c:
  mov qword [user_flags], 2
  caught "SYSCALL with TF, not masked: a trap at its target", EXC(DB, 0), .entry
  check_eq [fault_cs], CODE64, "in ring 0"
  xor eax, eax
  mov dr6, rax
  long_off
  ret
