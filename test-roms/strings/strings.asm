; Repeated string instructions: counts, directions, address sizes, how they are
; interrupted and resumed (Intel SDM Vol. 2B REP; Vol. 1 7.3.9; Vol. 3A 7.8).
%include "../lib/rom.inc"

bits 32
%define LAPIC 0xFEE00000
main:
  call counts
  call directions
  call compares
  call sizes
  call interrupted
  call ports
  ret

; put TEXT: at SCRATCH
%macro fill 2                           ; address, text
  jmp %%over
%%text: db %2
%%end:
%%over:
  mov esi, %%text
  mov edi, %1
  mov ecx, %%end - %%text
  cld
  rep movsb
%endmacro

counts:
  xor ecx, ecx
  mov esi, 0xFFFFFFF0
  mov edi, 0xFFFFFFF0
  cmp eax, eax
  raises "REP MOVSB of nothing touches nothing", NOFAULT, rep movsb
  check_eq esi, 0xFFFFFFF0, "ESI is as before"
  repne scasb
  check_cc z, "REPNE SCASB of nothing leaves the flags"
  mov edi, SCRATCH
  mov ecx, 3
  mov eax, 0x11111111
  rep stosd
  check_eq ecx, 0, "ECX is 0 at the end"
  check_eq edi, SCRATCH + 12, "EDI is behind the last"
  mov esi, SCRATCH
  mov ecx, 3
  rep lodsb
  check_eq esi, SCRATCH + 3, "REP LODSB"
  mov eax, 0xAAAAAA00
  lodsb
  check_eq eax, 0xAAAAAA11, "LODSB loads AL only"
  mov ecx, 2
  mov edi, SCRATCH
  db 0xF2
  movsb                                 ; REPNE MOVSB
  check_eq ecx, 0, "REPNE before MOVSB is REP"
  ret

directions:
  fill SCRATCH, "abcdefgh"
  mov esi, SCRATCH
  mov edi, SCRATCH + 1
  mov ecx, 7
  rep movsb
  check_eq [SCRATCH + 4], 'aaaa', "MOVSB upwards over itself repeats the first byte"
  fill SCRATCH, "abcdefgh"
  mov esi, SCRATCH + 6
  mov edi, SCRATCH + 7
  mov ecx, 7
  std
  rep movsb
  cld
  check_eq [SCRATCH + 4], 'defg', "MOVSB downwards over itself shifts"
  check_eq esi, SCRATCH - 1, "ESI is below the first"
  fill SCRATCH, "abcdefghijkl"
  mov esi, SCRATCH
  mov edi, SCRATCH + 2
  mov ecx, 2
  rep movsd
  check_eq [SCRATCH + 6], 'cdgh', "MOVSD upwards over itself, two bytes on"
  mov edi, SCRATCH + 8
  mov ecx, 2
  mov eax, 'wxyz'
  std
  rep stosd
  cld
  check_eq [SCRATCH + 4], 'wxyz', "STOSD downwards"
  check_eq edi, SCRATCH, "EDI is below the last"
  ret

compares:
  fill SCRATCH, "hello world"
  fill SCRATCH + 0x100, "help"
  mov esi, SCRATCH
  mov edi, SCRATCH + 0x100
  mov ecx, 10
  repe cmpsb
  check_cc b, "REPE CMPSB: 'l' is below 'p'"
  check_eq ecx, 6, "ECX after the difference"
  check_eq esi, SCRATCH + 4, "ESI is behind it"
  mov edi, SCRATCH
  mov ecx, 11
  mov al, 'o'
  repne scasb
  check_cc z, "REPNE SCASB finds"
  check_eq ecx, 6, "ECX"
  mov edi, SCRATCH
  mov ecx, 11
  mov al, 'q'
  repne scasb
  check_cc nz, "REPNE SCASB does not find"
  check_eq ecx, 0, "ECX is 0"
  mov edi, SCRATCH
  mov ecx, 1
  mov al, 'h'
  repe scasb
  check_cc z, "REPE SCASB whose last element is equal: ZF"
  ret

; SDM 1 3.6: 16-bit addresses use CX, SI, DI and wrap at 64 KiB
sizes:
  mov ecx, 0x00050002
  mov esi, 0x12340000 | (SCRATCH & 0xFFFF)
  mov edi, 0x56780000
  push es
  push ds
  set_descriptor FREE, SCRATCH, 0x1FFFF, 0x4093
  mov ax, FREE
  mov ds, ax
  mov es, ax
  mov edi, 0x5678FFFF
  mov al, 0x77
  a16 rep stosb
  pop ds
  pop es
  check_eq ecx, 0x00050000, "16-bit addresses: CX counts, the rest of ECX stays"
  check_eq edi, 0x56780001, "DI wraps, the rest of EDI stays"
  movzx eax, byte [SCRATCH]
  check_eq eax, 0x77, "and the second byte went to offset 0"
  ret

; an interrupt in the midst: EIP at the instruction, ECX what is left
interrupted:
  mov dword [LAPIC + 0xF0], 0x1FF
  mov dword [LAPIC + 0x80], 0
  mov dword [LAPIC + 0x3E0], 0xB        ; divide by 1
  mov dword [LAPIC + 0x320], 0x51       ; one-shot
  set_gate32 IDT, 0x51, CODE32, .handler, 0x8E
  mov dword [.came], 0
  ; long strings, and a timer that is started right before: it falls into one
  mov ebp, 40
.again:
  mov edi, 0x400000
  mov ecx, 0x100000
  mov eax, ebp
  mov ebx, ebp                          ; now sooner, now later
  mov edx, 3000
  mov ecx, ebx
  and ecx, 7
  shl edx, cl
  mov ecx, 0x100000
  mov dword [LAPIC + 0x380], edx
  sti
.rep: rep stosd
  cli
  cmp dword [.within], 0
  jne .got
  cmp ebp, 1
  je .got
  dec ebp
  jmp .again
.got:
  check_eq ecx, 0, "REP STOSD of 4 MiB with timer interrupts ends with ECX 0 (SDM 3A 7.8)"
  check_eq edi, 0x800000, "EDI"
  mov dword [LAPIC + 0x380], 0
  ; where time stands still within an instruction, none falls into one
  cmp dword [.within], 0
  je .written
  mov eax, [.left]
  shl eax, 2
  add eax, [.at]
  check_eq eax, 0x800000, "an interrupt in the midst finds ECX and EDI of the next element"
  ; all of it was written
.written:
  mov edi, 0x400000
  mov ecx, 0x100000
  mov eax, ebp
  repe scasd
  check_cc z, "every element has been written once it is done"
  ret
.handler:
  inc dword [.came]
  cmp dword [esp], .rep
  jne .end
  test ecx, ecx
  jz .end
  cmp ecx, 0x100000
  je .end
  mov dword [.within], 1
  mov [.left], ecx
  mov [.at], edi
.end:
  mov dword [LAPIC + 0xB0], 0
  iretd
[section .data]
align 4
.came: dd 0
.within: dd 0
.left: dd 0
.at: dd 0
__SECT__

ports:
  mov edx, 0x80
  mov esi, SCRATCH
  mov ecx, 3
  rep outsb
  check_eq ecx, 0, "REP OUTSB"
  check_eq esi, SCRATCH + 3, "ESI is behind the last"
  mov edx, 0x61
  mov edi, SCRATCH
  mov ecx, 2
  rep insb
  check_eq edi, SCRATCH + 2, "REP INSB"
  user_raises "#GP(0): INSB in ring 3", EXC(GP, 0), insb
  ret
