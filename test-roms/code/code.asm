; Code that changes under the processor, code that lies across pages, and the
; limit of 15 bytes (Intel SDM Vol. 3A 10.1.3, 13.4.2 of Vol. 3A "Self-Modifying
; Code", Vol. 2A 2.3.11; AMD APM Vol. 2 7.6.1).
%include "../lib/rom.inc"

bits 64
%define V 0x8000000000                  ; two pages of its own: PML4 entry 1
%define PML4E (TABLES + 8)
%define PDPTE AREA
%define PDE (AREA + 0x1000)
%define PTE (AREA + 0x2000)
%define FRAME (SCRATCH + 0x4000)        ; shown at V, and one to one
%define FRAME2 (SCRATCH + 0x6000)       ; shown at V + 1000h

bits 32
main:
  call changes
  long_on
  mov edi, AREA
  mov ecx, 0x3000 / 8
  xor eax, eax
  rep stosq
  mov qword [PML4E], PDPTE + 7
  mov qword [PDPTE], PDE + 7
  mov qword [PDE], PTE + 7
  mov qword [PTE], FRAME + 7
  mov qword [PTE + 8], FRAME2 + 7
  mov rbx, V
  call aliases
  call across
  call lengths
  call prefixes
  long_off
  ret

bits 32
changes:
  ; the next instruction
  xor eax, eax
  mov byte [.imm], 0x22
  db 0xB0                               ; MOV AL, imm8
.imm: db 0x11
  check_eq eax, 0x22, "a store to the next instruction is seen (SDM 3A 10.1.3)"
  ; each pass of a loop executes what the pass before has written
  xor ecx, ecx
  xor edx, edx
.pass:
  db 0x81, 0xC2                         ; ADD EDX, imm32
.add: dd 1
  inc dword [.add]
  inc ecx
  cmp ecx, 100
  jb .pass
  check_eq edx, 5050, "a loop that changes itself each time: 1 + 2 + ... + 100"
  mov dword [.add], 1
  ; hot code that is changed from elsewhere
  mov ecx, 10000
.hot:
  call .function
  loop .hot
  check_eq eax, 1, "a function called 10,000 times"
  mov byte [.function + 1], 2
  call .function
  check_eq eax, 2, "then changed: the change is seen"
  mov ecx, 10000
.hot2:
  call .function
  loop .hot2
  mov byte [.function + 1], 1
  check_eq eax, 2, "and stays"
  ; a string instruction that writes code behind itself
  mov edi, .rep_end
  mov ecx, 4
  mov al, 0x40                          ; INC EAX
  call .rep
  check_eq eax, 0x44, "REP STOSB writes four INC EAX behind itself and runs into them"
  ; an instruction whose opcode is changed
  mov byte [.flip], 0x48                ; DEC EAX
  mov eax, 5
  call .flip
  check_eq eax, 4, "INC EAX turned into DEC EAX"
  mov byte [.flip], 0x40
  mov eax, 5
  call .flip
  check_eq eax, 6, "and back"
  ; by PUSH, by the processor's own pushes
  mov ebp, esp
  mov esp, .flip + 4
  push dword 0xC3C3C340 + 8
  mov esp, ebp
  mov eax, 5
  call .flip
  check_eq eax, 4, "code changed by a PUSH"
  mov dword [.flip], 0xC3C3C340
  ; by FXSAVE, CMPXCHG8B, MOVNTI
  mov eax, 0xC3C3C340
  mov ecx, 0xC3C3C348
  mov ebx, ecx
  lock cmpxchg [.flip], ebx
  mov eax, 5
  call .flip
  check_eq eax, 4, "by LOCK CMPXCHG"
  mov eax, 0xC3C3C340
  mov dword [.flip], eax
  mov eax, 0xC3C3C348
  movnti [.flip], eax
  mov eax, 5
  call .flip
  check_eq eax, 4, "by MOVNTI"
  ; behind a jump in the same page
  mov byte [.far_imm], 0x33
  jmp .far
  align 64
.far:
  db 0xB0
.far_imm: db 0
  movzx eax, al
  check_eq eax, 0x33, "a store to the target of the next jump"
  ret
.function:
  mov eax, 1
  ret
.rep: rep stosb
.rep_end:
  times 4 nop
  ret
.flip: inc eax
  ret
  ret
  ret

bits 64
; the same code at two linear addresses (SDM 3A 10.1.3 asks for a serializing
; instruction here)
aliases:
  mov dword [FRAME], 0xC3C001B0 & 0xFFFF | 0xC3C3 << 16 ; MOV AL, 1; RET
  call rbx
  movzx eax, al
  check_eq rax, 1, "code at V"
  mov byte [FRAME + 1], 2
  mov rcx, cr2
  mov cr2, rcx                          ; serializes
  call rbx
  movzx eax, al
  check_eq rax, 2, "changed by way of its other address"
  ; another frame at the same address
  mov dword [FRAME2], 0xC3C303B0
  mov qword [PTE], FRAME2 + 7
  invlpg [rbx]
  call rbx
  movzx eax, al
  check_eq rax, 3, "another frame at the same address, after INVLPG"
  mov qword [PTE], FRAME + 7
  mov rax, cr3
  mov cr3, rax
  call rbx
  movzx eax, al
  check_eq rax, 2, "and the first again, after MOV to CR3"
  ret

; Instructions across the page boundary
across:
  lea rdi, [rbx + 0xFFD]                ; MOV EAX, imm32 in 3 + 2 bytes; RET
  mov byte [FRAME + 0xFFD], 0xB8
  mov word [FRAME + 0xFFE], 0x1122
  mov dword [FRAME2], 0xC3C33344
  call rdi
  check_eq rax, 0x33441122, "an instruction across pages that are not neighbours in memory"
  mov word [FRAME2], 0x7788
  call rdi
  check_eq rax, 0x77881122, "its second half changed"
  mov word [FRAME + 0xFFE], 0x5566
  call rdi
  check_eq rax, 0x77885566, "its first half changed"
  mov dword [FRAME2 + 0x1000], 0xC3C3AABB
  mov qword [PTE + 8], FRAME2 + 0x1007
  lea rcx, [rbx + 0x1000]
  invlpg [rcx]
  call rdi
  check_eq rax, 0xAABB5566, "its second page mapped anew"
  mov qword [PTE + 8], 0
  invlpg [rcx]
  catch .a
  jmp rdi
.a:
  caught "its second page is not present", EXC(PF, 0x10)
  check_eq [fault_rip], rdi, "RIP is at its first byte"
  check_eq [fault_cr2], rcx, "CR2 is the second page (SDM 3A 5.7)"
  mov rax, 0x8000000000000000 | (FRAME2 + 7)
  mov [PTE + 8], rax
  invlpg [rcx]
  catch .b
  jmp rdi
.b:
  caught "its second page has XD", EXC(PF, 0x11)
  check_eq [fault_cr2], rcx, "CR2 is the second page"
  mov qword [PTE + 8], FRAME2 + 7
  invlpg [rcx]
  ; an instruction that ends with its page needs no second page
  mov word [FRAME + 0xFFE], 0xC390
  mov qword [PTE + 8], 0
  invlpg [rcx]
  lea rdi, [rbx + 0xFFE]
  call rdi
  check_eq 1, 1, "code that ends with its page does not need the next"
  mov byte [FRAME + 0xFFF], 0x90
  catch .c
  jmp rdi
.c:
  caught "but running on into it does", EXC(PF, 0x10)
  check_eq [fault_rip], rcx, "at its first byte"
  mov qword [PTE + 8], FRAME2 + 7
  invlpg [rcx]
  ret

; 15 bytes (SDM 2A 2.3.11)
%macro put_code 2+                      ; address, bytes: at FRAME
  jmp %%over
%%bytes: db %2
%%end:
%%over:
  mov esi, %%bytes
  mov edi, %1
  mov ecx, %%end - %%bytes
  rep movsb
  mov rax, cr2
  mov cr2, rax
%endmacro
lengths:
  put_code FRAME, 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90, 0xC3
  call rbx
  check_eq 1, 1, "15 bytes: NOP with 14 prefixes"
  put_code FRAME, 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90, 0xC3
  catch .a
  jmp rbx
.a:
  caught "#GP(0): 16 bytes", EXC(GP, 0)
  check_eq [fault_rip], rbx, "at its first byte"
  put_code FRAME, 0x2E,0x2E,0x2E,0x2E,0x2E,0x81,0x84,0x25,0,0,0,0, 1,0,0,0, 0xC3
  catch .b
  jmp rbx
.b:
  caught "#GP(0): 16 bytes with displacement and immediate", EXC(GP, 0)
  put_code FRAME, 0x2E,0x2E,0x2E,0x2E,0x81,0x04,0x25,0,0,3,0, 1,0,0,0, 0xC3
  mov dword [SCRATCH], 41
  call rbx
  check_eq [SCRATCH], 42, "15 bytes with displacement and immediate"
  put_code FRAME, 0xF0,0xF0,0xF0,0xF0,0xF0,0xF0,0xF0,0xF0,0xF0,0xF0,0xF0,0xF0,0xF0,0xF0,0xF0,0x90
  catch .c
  jmp rbx
.c:
  caught "#GP(0): too long comes before #UD of LOCK", EXC(GP, 0)
  ; too long, and its last bytes on a page that is not there: the bytes up to the
  ; fifteenth are all that counts
  put_code FRAME + 0xFF1, 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66
  mov qword [PTE + 8], 0
  lea rcx, [rbx + 0x1000]
  invlpg [rcx]
  lea rdi, [rbx + 0xFF1]
  catch .d
  jmp rdi
.d:
  tcg_deviates "the next page is fetched"
  caught "#GP(0): 15 prefixes at the end of a page; the next page is not fetched", EXC(GP, 0)
  conforms
  inc rdi
  catch .e
  jmp rdi
.e:
  caught "#PF: 14 prefixes: it is", EXC(PF, 0x10)
  mov qword [PTE + 8], FRAME2 + 7
  invlpg [rcx]
  ret

; Which prefix counts (SDM 2A 2.1.1, 2.2.1)
prefixes:
  skip_on_tcg .rest, "a REX prefix counts wherever it is"
  put_code FRAME, 0x48, 0x66, 0xB8, 0x34, 0x12, 0xC3
  mov rax, -1
  call rbx
  check_eq rax, 0xFFFFFFFFFFFF1234, "REX that is not last is ignored"
.rest:
  put_code FRAME, 0x66, 0x48, 0xB8, 1,0,0,0,0,0,0,0, 0xC3
  mov rax, -1
  call rbx
  check_eq rax, 1, "REX.W beats 66h"
  put_code FRAME, 0x41, 0x48, 0xFF, 0xC0, 0xC3
  xor eax, eax
  call rbx
  check_eq rax, 1, "of two REX the last counts"
  put_code FRAME, 0xF2, 0xF3, 0x90, 0xC3
  call rbx
  check_eq 1, 1, "F2 F3 90"
  put_code FRAME, 0x3E, 0x2E, 0x26, 0x36, 0x8B, 0x03, 0xC3
  call rbx
  check_eq 1, 1, "segment overrides of CS, DS, ES, SS are ignored"
  ret
