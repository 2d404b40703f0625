; The I/O APIC (Intel 82093AA datasheet; ICH datasheet for the EOI register).
%include "../lib/rom.inc"
%include "../lib/devices.inc"

bits 32
%define L 0xFEE00000
%define SELECT 0xFEC00000
%define WINDOW 0xFEC00010
%macro get_register 1
  mov dword [SELECT], %1
  mov eax, [WINDOW]
%endmacro
%macro put_register 2
  mov dword [SELECT], %1
  mov dword [WINDOW], %2
%endmacro
; redirect INPUT, HIGH, LOW
%macro redirect 3
  put_register 0x10 + 2 * (%1), 0x10000
  put_register 0x11 + 2 * (%1), %2
  put_register 0x10 + 2 * (%1), %3
%endmacro
%define LEVEL 0x8000
%define LOW_ACTIVE 0x2000
%define MASKED 0x10000
%define LOGICAL 0x800

section .data
align 8
count: dd 0
isr_tmr: dd 0
section .text

main:
  mov dword [L + 0xF0], 0x1FF
  mov dword [L + 0x350], 0x10000        ; the 8259A stays out
  set_gate32 IDT, 0x61, CODE32, handler, 0x8E
  call registers
  call edges
  call levels
  call destinations
  redirect 2, 0, MASKED
  redirect 4, 0, MASKED
  ret

handler:
  inc dword [count]
  push eax
  mov eax, [L + 0x1B0]
  mov [isr_tmr], eax
  pop eax
  mov dword [L + 0xB0], 0
  iretd

registers:
  get_register 1
  and eax, 0xFF0000
  check_eq eax, 0x170000, "version register: 24 entries (82093AA 3.2.2)"
  get_register 1
  and eax, 0xFF
  cmp eax, 0x11
  setae bl
  cmp eax, 0x20
  setbe cl
  and bl, cl
  movzx ebx, bl
  check_eq ebx, 1, "version 11h to 20h"
  put_register 0, 0x05000000
  get_register 0
  check_eq eax, 0x05000000, "the ID can be written"
  put_register 0, 0
  put_register 0x2E, 0xFFFFFFFF         ; entry 15
  get_register 0x2E
  and eax, 0xFFFE5000
  tcg_deviates "reserved bits can be written"
  check_eq eax, 0, "delivery status, remote IRR and reserved bits cannot be written"
  conforms
  get_register 0x2E
  and eax, 0x1AFFF
  check_eq eax, 0x1AFFF, "the others can"
  put_register 0x2E, MASKED
  put_register 0x2F, 0xFF000000
  get_register 0x2F
  check_eq eax, 0xFF000000, "the destination"
  get_register 0x10 + 2 * 20
  and eax, MASKED
  check_eq eax, MASKED, "entries are masked after reset"
  mov dword [SELECT], 0x12345601
  mov eax, [SELECT]
  and eax, 0xFF
  check_eq eax, 1, "the select register has 8 bits"
  ret

pit_edge:                               ; a rising edge on input 2
  put_port 0x43, 0x30
  put_port 0x40, 10
  put_port 0x40, 0
  wait_us 10000
  ret

edges:
  redirect 2, 0, 0x61
  mov dword [count], 0
  call pit_edge
  sti
  nop
  nop
  cli
  check_eq [count], 1, "edge-triggered: the PIT at input 2"
  check_bits [isr_tmr], 2, 0, "TMR is clear: an edge"
  sti
  wait_us 1000
  cli
  check_eq [count], 1, "it comes once, though the input stays high"
  redirect 2, 0, 0x61 | MASKED
  put_port 0x43, 0x30
  call pit_edge
  put_register 0x14, 0x61
  sti
  wait_us 1000
  cli
  tcg_deviates "edges while masked are kept"
  check_eq [count], 1, "an edge while masked is lost (82093AA 3.2.4)"
  conforms
  ret

levels:
  mov dword [count], 0
  redirect 4, 0, 0x61 | LEVEL
  put_port 0x3FC, 0x0B
  put_port 0x3F9, 2                     ; COM1 requests: its transmitter is empty
  wait_us 100
  get_register 0x18
  and eax, 0x4000
  check_eq eax, 0x4000, "level-triggered: remote IRR is set once it is accepted"
  catch .a
  set_gate32 IDT, 0x61, CODE32, stubs_32 + 0x61 * STUB, 0x8E
  sti
  nop
  nop
.a:
  caught "vector 61h", EXC(0x61, 0)
  check_bits [L + 0x1B0], 2, 2, "TMR is set: a level"
  mov dword [L + 0xB0], 0
  catch .b
  sti
  nop
  nop
.b:
  caught "after EOI it comes again while the input is high", EXC(0x61, 0)
  put_port 0x3F9, 0
  get_register 0x18
  and eax, 0x4000
  check_eq eax, 0x4000, "remote IRR stays until EOI"
  mov dword [L + 0xB0], 0
  get_register 0x18
  and eax, 0x4000
  check_eq eax, 0, "and is cleared by it"
  catch .c
  sti
  wait_us 1000
  cli
.c:
  caught "nothing more comes", NOFAULT
  ; masked
  redirect 4, 0, 0x61 | LEVEL | MASKED
  put_port 0x3F9, 2
  catch .d
  sti
  wait_us 1000
  cli
.d:
  caught "masked: nothing", NOFAULT
  put_register 0x18, 0x61 | LEVEL
  catch .e
  sti
  wait_us 1000
.e:
  cli
  caught "unmasked: a level that is there comes", EXC(0x61, 0)
  put_port 0x3F9, 0
  mov dword [L + 0xB0], 0
  redirect 4, 0, MASKED
  set_gate32 IDT, 0x61, CODE32, handler, 0x8E
  ret

destinations:
  mov dword [count], 0
  redirect 2, 0x05000000, 0x61          ; nobody
  call pit_edge
  sti
  wait_us 1000
  cli
  check_eq [count], 0, "a physical destination that is not there"
  redirect 2, 0xFF000000, 0x61
  put_port 0x43, 0x30
  call pit_edge
  sti
  wait_us 1000
  cli
  check_eq [count], 1, "the broadcast destination"
  mov dword [L + 0xE0], -1              ; flat model
  mov dword [L + 0xD0], 0x04000000
  redirect 2, 0x04000000, 0x61 | LOGICAL
  put_port 0x43, 0x30
  call pit_edge
  sti
  wait_us 1000
  cli
  check_eq [count], 2, "a logical destination (SDM 3A 13.6.2.2)"
  redirect 2, 0x08000000, 0x61 | LOGICAL
  put_port 0x43, 0x30
  call pit_edge
  sti
  wait_us 1000
  cli
  check_eq [count], 2, "and one that is not ours"
  redirect 2, 0x0C000000, 0x161 | LOGICAL
  put_port 0x43, 0x30
  call pit_edge
  sti
  wait_us 1000
  cli
  check_eq [count], 3, "lowest priority among one"
  mov dword [L + 0xD0], 0
  ; NMI
  catch .nmi
  redirect 2, 0, 0x461
  put_port 0x43, 0x30
  call pit_edge
.nmi:
  caught "delivery mode NMI: vector 2, IF or not", EXC(NMI, 0)
  pushfd
  push dword CODE32
  push dword .unmasked
  iretd
.unmasked:
  redirect 2, 0, MASKED
  ret
