; Paging without long mode: 32-bit with 4-KiB and 4-MiB pages, and PAE
; (Intel SDM Vol. 3A 5.3, 5.4, 5.6, 5.7, 5.8): who may do what, error codes,
; accessed and dirty bits, reserved bits, what the TLB may keep.
%include "../lib/rom.inc"

bits 32
%define PD AREA                         ; 32-bit page directory; PAE: the PDPT
%define PT (AREA + 0x1000)              ; its table for 400000h on
%define PAEPD (AREA + 0x4000)           ; PAE: the directory of the first GiB
%define PAEPT (AREA + 0x5000)
%define FRAME (SCRATCH + 0x4000)        ; what the test page shows
%define V 0x400000                      ; the test page
%define PTE PT
%define PDE (PD + 4)
%define RW 2
%define USER 4

main:
  call setup
  call matrix
  call bits_ad
  call reserved
  call large
  call stale
  call pae
  ret

setup:
  mov edi, PD
  mov ecx, 0x3000 / 4
  xor eax, eax
  rep stosd
  mov dword [PD], 0x87                  ; the first 4 MiB, for ring 3 too
  mov dword [PDE], PT + 7
  mov dword [PTE], FRAME + 7
  mov eax, cr4
  or al, 0x10
  mov cr4, eax
  mov eax, PD
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax
  ret

; access_as PDE FLAGS, PTE FLAGS, WP, NAME, KERNEL READ, KERNEL WRITE, USER READ, USER WRITE:
; the error codes of the page faults, or -1 for none.
%macro one_access 4                     ; kernel or user, error code, name, instruction
  %ifidn %1, kernel
    %if (%2) < 0
      raises %3, NOFAULT, %4
    %else
      raises %3, EXC(PF, %2), %4
    %endif
  %else
    %if (%2) < 0
      user_raises %3, EXC(SYS, 0), %4
    %else
      user_raises %3, EXC(PF, %2), %4
    %endif
  %endif
%endmacro

%macro access_as 8
  mov eax, cr0
  and eax, ~0x10000
  or eax, (%3) << 16
  mov cr0, eax
  mov dword [PDE], PT | (%1)
  mov dword [PTE], FRAME | (%2)
  mov eax, cr3
  mov cr3, eax
  %strcat %%kr %4, ": ring 0 reads"
  %strcat %%kw %4, ": ring 0 writes"
  %strcat %%ur %4, ": ring 3 reads"
  %strcat %%uw %4, ": ring 3 writes"
  one_access kernel, %5, %%kr, {mov eax, [V]}
  one_access kernel, %6, %%kw, {mov [V], eax}
  one_access user, %7, %%ur, {mov eax, [V]}
  one_access user, %8, %%uw, {mov [V], eax}
%endmacro

; SDM 3A 5.6: table of rights; error code: P 1, W 2, U 4
matrix:
  access_as 7, 7, 0, "PDE U W, PTE U W, WP 0", -1, -1, -1, -1
  access_as 7, 5, 0, "PDE U W, PTE U R, WP 0", -1, -1, -1, 7
  access_as 5, 7, 0, "PDE U R, PTE U W, WP 0", -1, -1, -1, 7
  access_as 7, 3, 0, "PDE U W, PTE S W, WP 0", -1, -1, 5, 7
  access_as 3, 7, 0, "PDE S W, PTE U W, WP 0", -1, -1, 5, 7
  access_as 1, 1, 0, "PDE S R, PTE S R, WP 0", -1, -1, 5, 7
  access_as 7, 6, 0, "PTE not present", 0, 2, 4, 6
  access_as 6, 7, 0, "PDE not present", 0, 2, 4, 6
  access_as 7, 7, 1, "PDE U W, PTE U W, WP 1", -1, -1, -1, -1
  access_as 7, 5, 1, "PDE U W, PTE U R, WP 1", -1, 3, -1, 7
  access_as 5, 7, 1, "PDE U R, PTE U W, WP 1", -1, 3, -1, 7
  access_as 7, 1, 1, "PDE U W, PTE S R, WP 1", -1, 3, 5, 7
  access_as 1, 7, 1, "PDE S R, PTE U W, WP 1", -1, 3, 5, 7
  mov eax, cr0
  and eax, ~0x10000
  mov cr0, eax
  mov dword [PDE], PT + 7
  mov dword [PTE], 0
  invlpg [V]
  raises "CR2 after a fault at V + 123h", EXC(PF, 0), mov al, [V + 0x123]
  check_eq [fault_cr2], V + 0x123, "CR2 is the address itself (SDM 3A 5.7)"
  catch .executed
  jmp V
.executed:
  caught "a fetch from a page not present: error code without I/D (no NX)", EXC(PF, 0), V
  ; implicit accesses are the supervisor's, whoever runs
  mov dword [PTE], FRAME + 3
  invlpg [V]
  mov dword [gdt + 4 + FREE], 0
  user_raises "MOV DS in ring 3 reads the GDT as supervisor", EXC(GP, FREE), {mov ds, [cs:.selector]}
  raises "MOV to CR3 keeps what is mapped", NOFAULT, mov eax, [V]
  ret
.selector: dw FREE

; SDM 3A 5.8
bits_ad:
  mov dword [PDE], PT + 7
  mov dword [PTE], FRAME + 7
  mov eax, cr3
  mov cr3, eax
  mov eax, [V]
  check_eq [PTE], FRAME + 0x27, "a read sets A of the PTE, not D"
  check_eq [PDE], PT + 0x27, "and A of the PDE"
  mov [V], eax
  check_eq [PTE], FRAME + 0x67, "a write sets D, though the translation was cached"
  check_eq [PDE], PT + 0x27, "but not bit 6 of a PDE that points to a table"
  mov dword [PTE], FRAME + 5
  mov eax, cr0
  or eax, 0x10000
  mov cr0, eax
  invlpg [V]
  raises "a write that faults", EXC(PF, 3), mov [V], eax
  check_eq [PTE] , FRAME + 5, "sets neither A nor D"
  mov eax, cr0
  and eax, ~0x10000
  mov cr0, eax
  mov dword [PTE], FRAME + 7
  invlpg [V]
  mov eax, 1
  lock xadd [V], eax
  check_eq [PTE], FRAME + 0x67, "XADD sets A and D"
  mov dword [PTE], FRAME + 7
  invlpg [V]
  mov eax, [V]
  mov ecx, eax
  not eax
  cmpxchg [V], ecx
  check_eq [PTE], FRAME + 0x67, "CMPXCHG that does not match writes all the same"
  mov dword [PTE], FRAME + 7
  invlpg [V]
  fnstcw [SCRATCH]
  xor ecx, ecx
  mov edi, V
  rep stosd
  check_eq [PTE], FRAME + 7, "REP STOSD of nothing touches nothing"
  invlpg [V]
  check_eq [PTE], FRAME + 7, "nor does INVLPG"
  prefetcht0 [V]
  raises "PREFETCH of a page not present raises nothing", NOFAULT, prefetcht0 [V + 0x1000]
  ret

; 4-MiB pages with PSE-36: bits of the PDE that must be 0 (SDM 3A 5.3, table 5-4)
reserved:
  mov dword [PDE], 0x200087             ; bit 21
  mov eax, cr3
  mov cr3, eax
  tcg_deviates "P is clear in the error code for reserved bits"
  raises "bit 21 of a 4-MiB PDE is reserved", EXC(PF, 9), mov eax, [V]
  raises "also for a write", EXC(PF, 0xB), mov [V], eax
  user_raises "also for ring 3", EXC(PF, 0xD), mov eax, [V]
  conforms
  mov dword [PDE], 0x200086
  invlpg [V]
  raises "not present comes before reserved", EXC(PF, 0), mov eax, [V]
  ret

large:
  mov dword [PDE], 0x87
  mov eax, cr3
  mov cr3, eax
  mov dword [SCRATCH + 0x10], 0x4B4B4B4B
  check_eq [V + SCRATCH + 0x10], 0x4B4B4B4B, "a 4-MiB page at V shows the first 4 MiB"
  check_eq [PDE], 0xA7, "its PDE gets A"
  mov [V + SCRATCH + 0x14], eax
  check_eq [PDE], 0xE7, "and D with a write"
  mov dword [PDE], 0x83
  invlpg [V + 0x123456]
  user_raises "a supervisor 4-MiB page, after INVLPG of any address in it", EXC(PF, 5), mov eax, [V]
  mov dword [PDE], 0x85
  invlpg [V]
  user_raises "a read-only 4-MiB page", EXC(PF, 7), mov [V], eax
  ; without CR4.PSE bit 7 of a PDE means nothing
  mov edi, PT + 0x1000
  mov eax, 7
.identity:
  stosd
  add eax, 0x1000
  cmp eax, 0x400007
  jb .identity
  mov dword [PD], PT + 0x1000 + 7
  mov dword [PDE], PT + 0x87
  mov dword [PTE], FRAME + 7
  mov dword [FRAME], 0x600DF00D
  mov eax, cr4
  and al, ~0x10
  mov cr4, eax
  check_eq [V], 0x600DF00D, "without CR4.PSE, PS of a PDE is ignored (SDM 3A 5.3)"
  mov eax, cr4
  or al, 0x10
  mov cr4, eax
  mov dword [PD], 0x87
  mov eax, cr3
  mov cr3, eax
  ret

; SDM 3A 5.10: what must be seen after which invalidation
stale:
  mov dword [PDE], PT + 7
  mov dword [FRAME], 0x11111111
  mov dword [FRAME + 0x1000], 0x22222222
  mov dword [PTE], FRAME + 7
  mov eax, cr3
  mov cr3, eax
  mov eax, [V]
  mov dword [PTE], FRAME + 0x1000 + 7
  invlpg [V + 0xFFF]
  check_eq [V], 0x22222222, "INVLPG of any byte of a page (SDM 3A 5.10.4.1)"
  mov dword [PTE], FRAME + 7
  mov eax, cr3
  mov cr3, eax
  check_eq [V], 0x11111111, "MOV to CR3"
  mov eax, cr4
  or al, 0x80                           ; PGE
  mov cr4, eax
  mov dword [PTE], FRAME + 0x107
  invlpg [V]
  mov eax, [V]
  mov dword [PTE], FRAME + 0x1000 + 0x107
  invlpg [V]
  check_eq [V], 0x22222222, "INVLPG drops global pages too"
  mov dword [PTE], FRAME + 0x107
  mov eax, cr4
  xor al, 0x80
  mov cr4, eax
  check_eq [V], 0x11111111, "a change of CR4.PGE drops global pages"
  ; not present to present needs no invalidation
  mov dword [PTE], 0
  invlpg [V]
  raises "not present", EXC(PF, 0), mov eax, [V]
  mov dword [PTE], FRAME + 7
  raises "present at once: faults are not cached (SDM 3A 5.10.2.3)", NOFAULT, mov eax, [V]
  mov eax, cr0
  and eax, 0x7FFFFFFF
  mov cr0, eax
  mov dword [PTE], FRAME + 0x1000 + 7
  or eax, 0x80000000
  mov cr0, eax
  check_eq [V], 0x22222222, "a change of CR0.PG drops everything"
  mov eax, cr0
  and eax, 0x7FFFFFFF
  mov cr0, eax
  ret

; PAE (SDM 3A 5.4)
pae:
  mov edi, PD
  mov ecx, 0x7000 / 4
  xor eax, eax
  rep stosd
  mov dword [PD], PAEPD + 1             ; PDPTE 0
  mov dword [PAEPD], 0x87               ; 0 to 2 MiB
  mov dword [PAEPD + 8], 0x2000E7
  mov dword [PAEPD + 16], PAEPT + 7     ; V on
  mov dword [PAEPT], FRAME + 7
  mov eax, cr4
  or al, 0x30
  mov cr4, eax
  mov eax, PD
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax
  mov dword [FRAME], 0xAE
  check_eq [V], 0xAE, "PAE: three levels"
  tcg_deviates "PDPTEs get A"
  check_eq [PD], PAEPD + 1, "no A in a PDPTE"
  conforms
  check_eq [PAEPT], FRAME + 0x27, "A in its PTE"
  ; Intel reads PDPTEs with MOV to CR3 (SDM 3A 5.4.1), AMD may do so in walks
  mov dword [PD + 8], PAEPD + 1
  mov eax, cr3
  mov cr3, eax
  raises "a PDPTE that appears is seen once CR3 is loaded", NOFAULT, mov eax, [0x40000000 + SCRATCH]
  mov dword [PD + 8], PAEPD + 3
  mov eax, cr3
  tcg_deviates "PDPTEs are not checked"
  raises "#GP(0): MOV to CR3 with reserved bits in a PDPTE", EXC(GP, 0), mov cr3, eax
  conforms
  mov dword [PD + 8], 0
  mov cr3, eax
  ; reserved bits: address bits from MAXPHYADDR on, bit 63 without NXE
  mov dword [PAEPT + 4], 0x80000000
  invlpg [V]
  tcg_deviates "P is clear in the error code for reserved bits"
  raises "bit 63 of a PTE without EFER.NXE is reserved", EXC(PF, 9), mov eax, [V]
  mov dword [PAEPT + 4], 0x40000000
  invlpg [V]
  raises "bit 62 of a PAE PTE is reserved", EXC(PF, 9), mov eax, [V]
  conforms
  mov dword [PAEPT + 4], 0
  mov dword [PAEPD + 16], 0x5000E7      ; 2 MiB, bit 20
  invlpg [V]
  tcg_deviates "P is clear in the error code for reserved bits"
  raises "bit 20 of a 2-MiB PDE is reserved", EXC(PF, 9), mov eax, [V]
  conforms
  mov dword [PAEPD + 16], PAEPT + 7
  mov ecx, 0xC0000080
  rdmsr
  or eax, 0x800
  wrmsr
  mov dword [PAEPT + 4], 0x80000000
  invlpg [V]
  raises "NXE: a page with XD can be read", NOFAULT, mov eax, [V]
  mov byte [FRAME], 0xC3
  catch .executed
  jmp V
.executed:
  caught "but not executed (SDM 3A 5.6, 5.7: I/D)", EXC(PF, 0x11), V
  mov dword [PAEPT + 4], 0
  mov dword [PAEPD + 20], 0x80000000
  invlpg [V]
  catch .executed_too
  jmp V
.executed_too:
  caught "XD in the directory counts too", EXC(PF, 0x11), V
  mov dword [PAEPD + 20], 0
  invlpg [V]
  call V
  check_eq 1, 1, "without XD the page executes"
  mov dword [PAEPT], FRAME + 3
  invlpg [V]
  user_raises "PAE: ring 3 reads a supervisor page", EXC(PF, 5), mov eax, [V]
  mov eax, cr0
  and eax, 0x7FFFFFFF
  mov cr0, eax
  ret
