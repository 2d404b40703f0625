; Five-level paging: the fifth level's rights and reserved bits, 57-bit canonical
; addresses, when CR4.LA57 may change (Intel SDM Vol. 3A 5.1.1, 5.5; "5-Level Paging and
; 5-Level EPT" white paper).
%include "../lib/rom.inc"

bits 32
%define V (1 << 48)                     ; PML5 entry 1, then entries 0
%define PML5 AREA
%define PML5E (AREA + 8)
%define PML4E (AREA + 0x1000)
%define PDPTE (AREA + 0x2000)
%define PDE (AREA + 0x3000)
%define PTE (AREA + 0x4000)
%define FRAME (SCRATCH + 0x4000)

main:
  mov eax, 7
  xor ecx, ecx
  cpuid
  bt ecx, 16
  jc .there
  mov eax, cr4
  or eax, 0x1000
  raises "#GP(0): CR4.LA57, which CPUID does not have", EXC(GP, 0), mov cr4, eax
  ret
.there:
  call from_four
  call five
  call with_pae
  ret

from_four:
  long_on
  mov rcx, cr4
  bts rcx, 12
  raises "#GP(0): CR4.LA57 cannot be set in long mode (SDM 2B MOV CR)", EXC(GP, 0), mov cr4, rcx
  mov rcx, V
  raises "#GP(0): with four levels 2^48 is not canonical", EXC(GP, 0), mov eax, [rcx]
  long_off
  ret

; As `long_switch`, with five levels.
five_on:
  call long_tables
  mov edi, AREA
  mov ecx, 0x5000 / 4
  xor eax, eax
  rep stosd
  mov dword [PML5], TABLES + 7
  mov dword [PML5E], PML4E + 7
  mov dword [PML4E], PDPTE + 7
  mov dword [PDPTE], PDE + 7
  mov dword [PDE], PTE + 7
  mov dword [PTE], FRAME + 7
  mov eax, cr4
  or eax, 0x1620
  mov cr4, eax
  mov eax, PML5
  mov cr3, eax
  mov ecx, 0xC0000080
  rdmsr
  or eax, 0x900
  wrmsr
  mov eax, cr0
  or eax, 0x80010000                    ; PG, WP
  mov cr0, eax
  pop edx
  lidt [idt64_pointer]
  and byte [gdt + TSS64SEL + 5], ~2
  jmp CODE64:.long
bits 64
.long:
  mov ax, TSS64SEL
  ltr ax
  mov edx, edx
  mov esp, esp
  jmp rdx

%macro fifth 1                          ; flags of the PML5E
  mov qword [PML5E], PML4E | (%1)
  invlpg [rbx]
%endmacro

bits 32
five:
  call five_on
bits 64
  mov rbx, V
  mov dword [FRAME], 0x57575757
  mov eax, [rbx]
  check_eq rax, 0x57575757, "an address of 49 bits by way of the fifth level (SDM 3A 5.5)"
  check_eq [PML5E], PML4E + 0x27, "its entry gets A"
  check_eq [PML5], TABLES + 0x27, "as does that of the first 256 TiB"
  mov eax, 0x80000008
  cpuid
  shr eax, 8
  and eax, 0xFF
  check_eq rax, 57, "CPUID: 57 linear address bits"
  mov rbx, V
  ; rights
  fifth 5
  raises "PML5E R: ring 0 writes with WP", EXC(PF, 3), mov [rbx], eax
  user_raises "PML5E R: ring 3 reads", EXC(SYS, 0), mov eax, [rbx]
  user_raises "PML5E R: ring 3 writes", EXC(PF, 7), mov [rbx], eax
  fifth 3
  raises "PML5E S: ring 0 writes", NOFAULT, mov [rbx], eax
  user_raises "PML5E S: ring 3 reads", EXC(PF, 5), mov eax, [rbx]
  fifth 6
  raises "PML5E not present", EXC(PF, 0), mov eax, [rbx]
  check_eq [fault_cr2], rbx, "CR2 has all bits"
  fifth 7
  mov byte [FRAME], 0xC3
  call rbx
  check_eq 1, 1, "code up there executes"
  bts qword [PML5E], 63
  invlpg [rbx]
  mov rdx, rbx
  catch .xd
  jmp rbx
.xd:
  caught "XD in the PML5E", EXC(PF, 0x11)
  check_eq [fault_rip], rbx, "RIP has all bits"
  btr qword [PML5E], 63
  invlpg [rbx]
  tcg_deviates "P is clear in the error code for reserved bits"
  fifth 0x87
  raises "#PF RSVD: PS of a PML5E", EXC(PF, 9), mov eax, [rbx]
  fifth 7
  bts qword [PML5E], 51
  invlpg [rbx]
  raises "#PF RSVD: bit 51 of a PML5E", EXC(PF, 9), mov eax, [rbx]
  conforms
  fifth 7
  ; canonical addresses
  mov rcx, 1 << 56
  raises "#GP(0): 2^56 is not canonical (SDM 1 3.3.7.1)", EXC(GP, 0), mov eax, [rcx]
  dec rcx
  raises "2^56 - 1 is: a page fault", EXC(PF, 0), mov al, [rcx]
  mov rcx, 0xFF00000000000000
  raises "so is -2^56", EXC(PF, 0), mov al, [rcx]
  dec rcx
  raises "#GP(0): and the one below is not", EXC(GP, 0), mov al, [rcx]
  ; MSRs and registers that hold addresses
  mov ecx, 0xC0000082
  mov edx, 0x00FFFFFF
  or eax, -1
  raises "LSTAR takes 57-bit addresses", NOFAULT, wrmsr
  mov edx, 0x01000000
  xor eax, eax
  tcg_deviates "no check"
  raises "#GP(0): LSTAR with 2^56", EXC(GP, 0), wrmsr
  conforms
  mov ecx, 0xC0000100
  mov edx, V >> 32
  xor eax, eax
  raises "FS.base takes them", NOFAULT, wrmsr
  mov dword [FRAME + 0x10], 0x12345678
  mov eax, [fs:0x10]
  check_eq rax, 0x12345678, "and they are used"
  ; a stack and an interrupt up there
  mov rsi, rsp
  lea rsp, [rbx + 0x800]
  catch .stack
  int 0x55
.stack:
  mov rsp, rsi
  caught "INT n on a stack up there", EXC(0x55, 0)
  lea rcx, [rbx + 0x800]
  check_eq [fault_sp], rcx, "RSP has all bits"
  mov rcx, cr4
  btr rcx, 12
  raises "#GP(0): CR4.LA57 cannot be cleared in long mode", EXC(GP, 0), mov cr4, rcx
  long_off
  mov eax, cr0
  and eax, ~0x10000
  mov cr0, eax
  ret

; Without long mode the bit means nothing
with_pae:
  mov edi, AREA
  mov ecx, 0x2000 / 4
  xor eax, eax
  rep stosd
  mov dword [AREA], AREA + 0x1001
  mov dword [AREA + 0x1000], 0x87
  mov dword [AREA + 0x1008], 0x87       ; 200000h shows 0
  mov eax, AREA
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax
  mov dword [SCRATCH], 0x9AE9AE
  check_eq [0x200000 + SCRATCH], 0x9AE9AE, "PAE paging with CR4.LA57 has its three levels"
  mov eax, cr0
  and eax, 0x7FFFFFFF
  mov cr0, eax
  mov eax, cr4
  and eax, ~0x1000
  raises "without paging LA57 can be cleared", NOFAULT, mov cr4, eax
  ret
