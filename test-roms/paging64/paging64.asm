; Paging in long mode: four levels, all page sizes, each permission at each
; level, NX, reserved bits, canonical addresses, PCIDs, global pages, INVPCID,
; five levels where there are any (Intel SDM Vol. 3A 5.5, 5.6, 5.7, 5.8, 5.10).
%include "../lib/rom.inc"

bits 32
; V is mapped by tables of its own: PML4 entry 1
%define V 0x8000000000
%define PML4E (TABLES + 8)
%define PDPT AREA
%define PDPTE AREA
%define PDE (AREA + 0x1000)
%define PTE (AREA + 0x2000)
%define FRAME (SCRATCH + 0x4000)
%define PML4B (AREA + 0x3000)           ; a second set of tables, for another PCID
%define PDPTB (AREA + 0x4000)
%define PDEB (AREA + 0x5000)
%define PTEB (AREA + 0x6000)

%macro page 4                           ; flags of the four levels
  mov qword [PML4E], PDPT | (%1)
  mov qword [PDPTE], PDE | (%2)
  mov qword [PDE], PTE | (%3)
  mov qword [PTE], FRAME | (%4)
  invlpg [rbx]
%endmacro

main:
  long_on
  mov edi, AREA
  mov ecx, 0x7000 / 8
  xor eax, eax
  rep stosq
  mov rbx, V
  call permissions
  call execute
  call accessed
  call reserved
  call large
  call canonical
  call globals
  call pcids
  call supervisor
  long_off
  ret

bits 64
; allowed FLAGS..., NAME, KERNEL WRITE, USER READ, USER WRITE: error codes or -1
%macro rights 8
  page %1, %2, %3, %4
  %strcat %%kw %5, ": ring 0 writes"
  %strcat %%ur %5, ": ring 3 reads"
  %strcat %%uw %5, ": ring 3 writes"
  %if %6 < 0
    raises %%kw, NOFAULT, mov [rbx], eax
  %else
    raises %%kw, EXC(PF, %6), mov [rbx], eax
  %endif
  %if %7 < 0
    user_raises %%ur, EXC(SYS, 0), mov eax, [rbx]
  %else
    user_raises %%ur, EXC(PF, %7), mov eax, [rbx]
  %endif
  %if %8 < 0
    user_raises %%uw, EXC(SYS, 0), mov [rbx], eax
  %else
    user_raises %%uw, EXC(PF, %8), mov [rbx], eax
  %endif
%endmacro

permissions:
  mov rax, cr0
  or eax, 0x10000
  mov cr0, rax
  rights 7, 7, 7, 7, "all U W", -1, -1, -1
  rights 5, 7, 7, 7, "PML4E R", 3, -1, 7
  rights 7, 5, 7, 7, "PDPTE R", 3, -1, 7
  rights 7, 7, 5, 7, "PDE R", 3, -1, 7
  rights 7, 7, 7, 5, "PTE R", 3, -1, 7
  rights 3, 7, 7, 7, "PML4E S", -1, 5, 7
  rights 7, 3, 7, 7, "PDPTE S", -1, 5, 7
  rights 7, 7, 3, 7, "PDE S", -1, 5, 7
  rights 7, 7, 7, 3, "PTE S", -1, 5, 7
  rights 6, 7, 7, 7, "PML4E not present", 2, 4, 6
  rights 7, 6, 7, 7, "PDPTE not present", 2, 4, 6
  rights 7, 7, 6, 7, "PDE not present", 2, 4, 6
  rights 7, 7, 7, 6, "PTE not present", 2, 4, 6
  mov rax, cr0
  and eax, ~0x10000
  mov cr0, rax
  page 7, 7, 7, 5
  raises "WP 0: ring 0 writes to a read-only page", NOFAULT, mov [rbx], eax
  ; a write to the last level that was allowed is not allowed for ring 3 after
  user_raises "and the TLB does not let ring 3 do so", EXC(PF, 7), mov [rbx], eax
  mov rax, cr0
  or eax, 0x10000
  mov cr0, rax
  raises "nor ring 0 once WP is set", EXC(PF, 3), mov [rbx], eax
  ret

execute:
  page 7, 7, 7, 7
  mov byte [FRAME], 0xC3
  call rbx
  check_eq 1, 1, "a page without XD executes"
  mov rcx, rbx
  catch .a
  bts qword [PTE], 63
  invlpg [rbx]
  jmp rbx
.a: caught "#PF I/D: XD in the PTE (SDM 3A 5.6)", EXC(PF, 0x11), V
  btr qword [PTE], 63
  catch .b
  bts qword [PDE], 63
  invlpg [rbx]
  jmp rbx
.b: caught "#PF I/D: XD in the PDE", EXC(PF, 0x11), V
  btr qword [PDE], 63
  catch .c
  bts qword [PDPTE], 63
  invlpg [rbx]
  jmp rbx
.c: caught "#PF I/D: XD in the PDPTE", EXC(PF, 0x11), V
  btr qword [PDPTE], 63
  catch .d
  bts qword [PML4E], 63
  invlpg [rbx]
  jmp rbx
.d: caught "#PF I/D: XD in the PML4E", EXC(PF, 0x11), V
  btr qword [PML4E], 63
  invlpg [rbx]
  page 7, 7, 7, 6
  catch .e
  jmp rbx
.e: caught "#PF I/D without P: a fetch from a page not present, with NXE", EXC(PF, 0x10), V
  check_eq [fault_cr2], rbx, "CR2 is the address fetched"
  ; without EFER.NXE the bit is reserved
  mov ecx, 0xC0000080
  rdmsr
  and eax, ~0x800
  wrmsr
  page 7, 7, 7, 7
  bts qword [PTE], 63
  invlpg [rbx]
  tcg_deviates "P is clear in the error code for reserved bits"
  raises "#PF RSVD: XD without EFER.NXE", EXC(PF, 9), mov eax, [rbx]
  conforms
  mov ecx, 0xC0000080
  rdmsr
  or eax, 0x800
  wrmsr
  ret

accessed:
  page 7, 7, 7, 7
  mov eax, [rbx]
  check_eq [PML4E], PDPT + 0x27, "a read sets A of the PML4E (SDM 3A 5.8)"
  check_eq [PDPTE], PDE + 0x27, "of the PDPTE"
  check_eq [PDE], PTE + 0x27, "of the PDE"
  check_eq [PTE], FRAME + 0x27, "of the PTE"
  mov [rbx], eax
  check_eq [PTE], FRAME + 0x67, "a write sets D of the PTE"
  check_eq [PDE], PTE + 0x27, "and of nothing else"
  page 7, 7, 7, 6
  raises "a walk that ends at a PTE not present", EXC(PF, 0), mov eax, [rbx]
  check_eq [PTE], FRAME + 6, "leaves that alone"
  page 7, 7, 7, 3
  user_raises "a walk that ends in a violation", EXC(PF, 5), mov eax, [rbx]
  check_eq [PTE], FRAME + 3, "sets no A of the PTE"
  page 7, 7, 7, 7
  mov byte [FRAME], 0xC3
  call rbx
  check_eq [PTE], FRAME + 0x27, "a fetch sets A"
  ; the processor's own accesses: a descriptor, the TSS, a push
  page 7, 7, 7, 7
  mov rdx, rsp
  lea rsp, [rbx + 0x100]
  push rax
  mov rsp, rdx
  check_eq [PTE], FRAME + 0x67, "PUSH sets D"
  ret

; SDM 3A 5.5.4, tables 5-15 to 5-20
%macro reserved_bit 3                   ; entry, bit, name
  page 7, 7, 7, 7
  bts qword [%1], %2
  invlpg [rbx]
  tcg_deviates "P is clear in the error code for reserved bits"
  raises %3, EXC(PF, 9), mov eax, [rbx]
  conforms
  btr qword [%1], %2
%endmacro
reserved:
  reserved_bit PML4E, 7, "#PF RSVD: PS of a PML4E"
  reserved_bit PML4E, 51, "#PF RSVD: bit 51 of a PML4E, above MAXPHYADDR"
  reserved_bit PDPTE, 51, "#PF RSVD: bit 51 of a PDPTE"
  reserved_bit PDE, 51, "#PF RSVD: bit 51 of a PDE"
  reserved_bit PTE, 51, "#PF RSVD: bit 51 of a PTE"
  page 7, 7, 7, 7
  mov qword [PDE], 0x202087
  invlpg [rbx]
  tcg_deviates "P is clear in the error code for reserved bits"
  raises "#PF RSVD: bit 13 of a 2-MiB page", EXC(PF, 9), mov eax, [rbx]
  user_raises "#PF RSVD, U: the same from ring 3", EXC(PF, 13), mov eax, [rbx]
  conforms
  mov qword [PDE], 0x202086
  invlpg [rbx]
  raises "not present: nothing is reserved", EXC(PF, 0), mov eax, [rbx]
  page 7, 7, 7, 7
  mov rax, 0x7FF0000000000000
  or [PTE], rax
  mov rax, 0x07F0000000000000
  or [PML4E], rax
  invlpg [rbx]
  mov dword [FRAME], 0x1234
  raises "bits 62:52 are ignored (without protection keys)", NOFAULT, mov eax, [rbx]
  or qword [PTE], 0xE00
  invlpg [rbx]
  raises "bits 11:9 are ignored", NOFAULT, mov eax, [rbx]
  ret

large:
  page 7, 7, 7, 7
  mov qword [PDE], 0x87
  invlpg [rbx]
  mov dword [FRAME + 0x10], 0x2A2A2A2A
  mov eax, [rbx + FRAME + 0x10]
  check_eq rax, 0x2A2A2A2A, "a 2-MiB page (SDM 3A 5.5)"
  check_eq [PDE], 0xA7, "gets A"
  mov [rbx + FRAME + 0x14], eax
  check_eq [PDE], 0xE7, "and D"
  mov qword [PDE], 0x85
  invlpg [rbx + 0x1FFFFF]
  raises "INVLPG of any byte of it", EXC(PF, 3), mov [rbx], eax
  mov eax, 0x80000001
  cpuid
  mov rbx, V
  bt edx, 26
  jnc .small
  page 7, 7, 7, 7
  mov qword [PDPTE], 0x87
  invlpg [rbx]
  mov eax, [rbx + FRAME + 0x10]
  check_eq rax, 0x2A2A2A2A, "a 1-GiB page"
  mov [rbx + FRAME + 0x14], eax
  check_eq [PDPTE], 0xE7, "gets A and D"
  mov qword [PDPTE], 0x83
  invlpg [rbx + 0x12345678]
  user_raises "and is the supervisor's without U", EXC(PF, 5), mov eax, [rbx + FRAME]
  mov qword [PDPTE], 0x2087
  invlpg [rbx]
  tcg_deviates "P is clear in the error code for reserved bits"
  raises "#PF RSVD: bit 13 of a 1-GiB page", EXC(PF, 9), mov eax, [rbx]
  conforms
.small:
  page 7, 7, 7, 7
  ret

; SDM 1 3.3.7.1
canonical:
  mov rcx, 0x800000000000
  raises "#GP(0): a read of the first address that is not canonical", EXC(GP, 0), mov eax, [rcx]
  tcg_deviates "the first half is translated first"
  raises "#GP(0): a quadword that ends there", EXC(GP, 0), mov rax, [rcx - 4]
  conforms
  mov rcx, 0xFFFF7FFFFFFFFFFF
  raises "#GP(0): a read of the last one", EXC(GP, 0), mov al, [rcx]
  mov rbp, rcx
  tcg_deviates "raises #GP, and for JMP and CALL at the target"
  raises "#SS(0): by way of RBP", EXC(SS_, 0), mov al, [rbp]
  raises "#GP(0): JMP to it", EXC(GP, 0), jmp rcx
  raises "#GP(0): CALL", EXC(GP, 0), call rcx
  conforms
  raises "INVLPG of it is nothing", NOFAULT, invlpg [rcx]
  catch .pushed
  enter_user .user
.user:
  mov rsp, 0x800000000008
.push: push rax
  int SYS
.pushed:
  tcg_deviates "raises #GP"
  caught "#SS(0): PUSH to it", EXC(SS_, 0), .push
  conforms
  mov rcx, -1
  raises "#GP(0) or #PF: a word that wraps round 2^64 is at two canonical addresses", EXC(PF, 0), mov ax, [rcx]
  page 7, 7, 7, 7
  ret

globals:
  mov rax, cr4
  or al, 0x80
  mov cr4, rax
  page 7, 7, 7, 0x107
  mov dword [FRAME], 0x11
  mov dword [FRAME + 0x1000], 0x22
  mov eax, [rbx]
  mov qword [PTE], FRAME + 0x1107
  invlpg [rbx]
  mov eax, [rbx]
  check_eq rax, 0x22, "INVLPG drops a global page (SDM 3A 5.10.4.1)"
  mov qword [PTE], FRAME + 0x107
  mov rax, cr4
  and al, 0x7F
  mov cr4, rax
  mov eax, [rbx]
  check_eq rax, 0x11, "clearing CR4.PGE drops it"
  mov qword [PTE], FRAME + 0x1007
  mov rax, cr3
  mov cr3, rax
  mov eax, [rbx]
  check_eq rax, 0x22, "MOV to CR3 drops the page, G without PGE"
  ret

; SDM 3A 5.10.1; 2A INVPCID
pcids:
  mov eax, 1
  cpuid
  mov rbx, V
  bt ecx, 17
  jnc .none
  ; another address space: the same but for V
  mov rsi, TABLES
  mov edi, PML4B
  mov ecx, 512
  rep movsq
  mov qword [PML4B + 8], PDPTB + 7
  mov qword [PDPTB], PDEB + 7
  mov qword [PDEB], PTEB + 7
  mov qword [PTEB], FRAME + 0x1007
  page 7, 7, 7, 7
  mov rax, cr3
  or al, 1
  mov cr3, rax                          ; PWT or PCID bits: ignored without PCIDE
  mov rcx, cr4
  bts rcx, 17
  raises "#GP(0): CR4.PCIDE with CR3[11:0] not 0 (SDM 3A 5.10.1)", EXC(GP, 0), mov cr4, rcx
  mov eax, TABLES
  mov cr3, rax
  raises "CR4.PCIDE", NOFAULT, mov cr4, rcx
  mov eax, TABLES + 1
  mov cr3, rax
  mov ecx, [rbx]
  check_eq rcx, 0x11, "PCID 1 sees its page"
  mov eax, PML4B + 2
  mov cr3, rax
  mov ecx, [rbx]
  check_eq rcx, 0x22, "PCID 2 its own"
  mov rax, 0x8000000000000000 | (TABLES + 1)
  mov cr3, rax
  mov ecx, [rbx]
  check_eq rcx, 0x11, "back in PCID 1 without a flush"
  mov rax, cr3
  check_eq rax, TABLES + 1, "bit 63 is not kept in CR3"
  mov qword [PTE], FRAME + 0x1007
  mov rax, 0x8000000000000000 | (PML4B + 2)
  mov cr3, rax
  mov eax, TABLES + 1
  mov cr3, rax
  mov ecx, [rbx]
  check_eq rcx, 0x22, "MOV to CR3 with bit 63 clear drops that PCID's translations"
  mov eax, 7
  xor ecx, ecx
  cpuid
  bt ebx, 10
  mov rbx, V
  jnc .no_invpcid
  mov qword [PTE], FRAME + 7
  mov eax, 0
  mov qword [SCRATCH], 1
  mov [SCRATCH + 8], rbx
  invpcid rax, [SCRATCH]
  mov ecx, [rbx]
  check_eq rcx, 0x11, "INVPCID type 0: an address in a PCID"
  mov qword [PTE], FRAME + 0x1007
  mov eax, 1
  invpcid rax, [SCRATCH]
  mov ecx, [rbx]
  check_eq rcx, 0x22, "type 1: a PCID"
  mov qword [PTE], FRAME + 7
  mov eax, 3
  invpcid rax, [SCRATCH]
  mov ecx, [rbx]
  check_eq rcx, 0x11, "type 3: all but global pages"
  mov qword [PTE], FRAME + 0x1007
  mov eax, 2
  invpcid rax, [SCRATCH]
  mov ecx, [rbx]
  check_eq rcx, 0x22, "type 2: all"
  mov eax, 4
  raises "#GP(0): type 4", EXC(GP, 0), invpcid rax, [SCRATCH]
  mov eax, 0
  mov qword [SCRATCH], 0x1000
  raises "#GP(0): bits 63:12 of the descriptor are reserved", EXC(GP, 0), invpcid rax, [SCRATCH]
  mov qword [SCRATCH], 1
  mov rcx, 0x800000000000
  mov [SCRATCH + 8], rcx
  raises "#GP(0): type 0 with an address that is not canonical", EXC(GP, 0), invpcid rax, [SCRATCH]
  user_raises "#GP(0): INVPCID in ring 3", EXC(GP, 0), invpcid rax, [SCRATCH]
.no_invpcid:
  mov eax, TABLES
  mov cr3, rax
  mov rax, cr4
  btr rax, 17
  mov cr4, rax
  mov rcx, cr0
  btr rcx, 31
  raises "#GP(0): CR0.PG cannot be cleared in 64-bit code (SDM 2B MOV CR)", EXC(GP, 0), mov cr0, rcx
  mov rcx, cr4
  btr rcx, 5
  raises "#GP(0): nor CR4.PAE", EXC(GP, 0), mov cr4, rcx
  mov rcx, 0x8000000000000000 | TABLES
  raises "#GP(0): bit 63 of CR3 without PCIDE", EXC(GP, 0), mov cr3, rcx
.none:
  ret

; SMEP and SMAP (SDM 3A 5.6.1)
supervisor:
  mov eax, 7
  xor ecx, ecx
  cpuid
  mov ebp, ebx
  mov rbx, V
  ; ours must be the supervisor's from here on, so the first 2 MiB lose U;
  ; ring 3 runs no code here
  and qword [TABLES + 0x2000], ~4
  mov rax, cr3
  mov cr3, rax
  page 7, 7, 7, 7
  mov byte [FRAME], 0xC3
  bt ebp, 7
  jnc .no_smep
  mov rax, cr4
  bts rax, 20
  mov cr4, rax
  catch .smep
  jmp rbx
.smep:
  caught "SMEP: ring 0 executes no user page", EXC(PF, 0x11), V
  raises "SMEP: but reads it", NOFAULT, mov eax, [rbx]
  and qword [PDE], ~4
  invlpg [rbx]
  call rbx
  check_eq 1, 1, "SMEP: a page without U at any level is the supervisor's"
  mov rax, cr4
  btr rax, 20
  mov cr4, rax
.no_smep:
  bt ebp, 20
  jnc .no_smap
  page 7, 7, 7, 7
  mov rax, cr4
  bts rax, 21
  mov cr4, rax
  clac
  raises "SMAP: ring 0 reads no user page", EXC(PF, 1), mov eax, [rbx]
  raises "SMAP: nor writes it", EXC(PF, 3), mov [rbx], eax
  stac
  raises "SMAP: but does with EFLAGS.AC", NOFAULT, mov [rbx], eax
  clac
  raises "SMAP: and not after CLAC", EXC(PF, 1), mov eax, [rbx]
  mov byte [FRAME], 0xC3
  call rbx
  check_eq 1, 1, "SMAP: fetches are not its matter"
  stac
  ; an LDT in the user page: its reads are implicit, and AC does not count
  mov dword [gdt + FREE], 0x00000FFF
  mov dword [gdt + FREE + 4], 0x00008200
  mov dword [gdt + FREE + 8], V >> 32
  mov dword [gdt + FREE + 12], 0
  mov ecx, FREE
  lldt cx
  mov rax, 0x00CF93000000FFFF
  mov [FRAME + 8], rax
  mov ecx, 0xC
  tcg_deviates "AC counts for descriptors, too"
  raises "SMAP: a descriptor in a user page, with AC set (implicit access)", EXC(PF, 1), mov fs, ecx
  conforms
  clac
  mov rax, cr4
  btr rax, 21
  mov cr4, rax
  raises "without CR4.SMAP the page can be read", NOFAULT, mov eax, [rbx]
.no_smap:
  or qword [TABLES + 0x2000], 4
  mov rax, cr3
  mov cr3, rax
  ret
