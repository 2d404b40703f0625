; The guest that Glassbox boots when it is given nothing else.
;
; It climbs the way every PC operating system climbs, from the 16-bit mode the
; processor wakes up in to 64 bits, and says on COM1, and on the screen if there is
; one, what it does and why.
; Then it takes interrupts, walks its own page tables, causes a page fault and
; survives it, and looks at the processor it runs on. At the end there is a
; prompt, or, where nobody could type, it switches the machine off.
;
; How it is entered (the contract with emulator/machine):
;   * this image is a flat binary at physical address 8000h,
;   * real mode, CS = 0, IP = 8000h, interrupts off,
;   * EBX bit 0 is set where somebody sits at the console.
; Nothing else is expected: no BIOS, no stack, no descriptor tables.
;
; SDM is the Intel 64 and IA-32 Architectures Software Developer's Manual. Its
; sections are named by volume and title, for their numbers change with each
; edition.
;
; Build: nasm -f bin -o tour.bin tour.asm      (or: cargo xtask roms --bless)

%include "layout.inc"           ; where everything is in memory; constants
%include "macros.inc"           ; say, step, print

%include "real.inc"             ; 1  real mode, A20
%include "protected.inc"        ; 2  GDT, protected mode
%include "paging.inc"           ; 3  page tables, PAE paging; 4 long mode
%include "tour.inc"             ; the tour from there on, in 64 bits

%include "print.inc"            ; characters, strings and numbers to COM1
%include "screen.inc"           ; the same on the screen
%include "font.inc"             ; what its characters look like
%include "interrupts.inc"       ; IDT, TSS, exceptions, interrupt controllers
%include "timers.inc"           ; PIT, PM timer, TSC, local APIC timer
%include "walk.inc"             ; a page walk, level by level
%include "processor.inc"        ; CPUID and the speed test
%include "names.inc"            ; names of the bits in registers
%include "console.inc"          ; typed lines
%include "commands.inc"         ; the prompt's commands
%include "power.inc"            ; switching off

; The end of what is in the file; the rest is memory that real.inc clears.
section .bss
bss_end:
