; The pair of 8259A interrupt controllers (8259A datasheet; Intel 82093AA and ICH
; datasheets for the edge/level registers).
%include "../lib/rom.inc"
%include "../lib/devices.inc"

bits 32
; IRQ0 comes from the PIT: a short count in mode 0 lets OUT rise.
%macro raise_irq0 0
  put_port 0x43, 0x30
  put_port 0x40, 10
  put_port 0x40, 0
  wait_us 10000                         ; much, for emulators whose timers are late
%endmacro
%macro lower_irq0 0
  put_port 0x43, 0x30                   ; OUT is low until the count is over
%endmacro
; IRQ4 comes from COM1: its transmitter is empty.
%macro raise_irq4 0
  put_port 0x3FC, 0x0B
  put_port 0x3F9, 2
%endmacro
%macro lower_irq4 0
  put_port 0x3F9, 0
%endmacro
; IRQ8 comes from the RTC's periodic interrupt.
%macro raise_irq8 0
  put_cmos 0xA, 0x26
  put_cmos 0xB, 0x42
  wait_us 20000
%endmacro
%macro lower_irq8 0
  put_cmos 0xB, 2
  get_cmos 0xC
%endmacro

; command PORT, OCW3: then reads that register
%macro check_register 4                 ; port, OCW3, expected, name
  put_port %1, %2
  check_port %1, %3, %4
%endmacro
%define IRR 0x0A
%define ISR 0x0B

main:
  ; the local APIC passes the 8259A's interrupts on: LINT0 is ExtINT
  mov dword [0xFEE000F0], 0x1FF
  mov dword [0xFEE00350], 0x700
  mov dword [0xFEE00080], 0
  lower_irq0
  lower_irq4
  pic_init
  call masks
  call delivery
  call priorities
  call cascade
  call modes
  pic_init
  ret

masks:
  put_port 0x21, 0x5A
  check_port 0x21, 0x5A, "OCW1: the mask reads back (8259A, OCW1)"
  put_port 0xA1, 0xA5
  check_port 0xA1, 0xA5, "the slave's, too"
  check_port 0x21, 0x5A, "they are two"
  put_port 0x20, 0x11
  put_port 0x21, 0x20
  put_port 0x21, 4
  put_port 0x21, 1
  check_port 0x21, 0, "ICW1 clears the mask (8259A, ICW1)"
  put_port 0x21, 0xFF
  put_port 0xA1, 0xFF
  check_register 0x20, ISR, 0, "nothing is in service"
  check_register 0x20, IRR, 0, "nothing is requested"
  ret

delivery:
  raise_irq0
  check_register 0x20, IRR, 1, "a masked request shows in IRR"
  check_port 0x20, 1, "and IRR stays selected"
  catch .none
  sti
  nop
  nop
  cli
.none:
  caught "masked: no interrupt", NOFAULT
  put_port 0x21, 0xFE
  catch .a
  sti
  nop
  nop
.a:
  caught "unmasked: vector 20h", EXC(0x20, 0)
  check_register 0x20, ISR, 1, "in service"
  check_register 0x20, IRR, 0, "and requested no more: it was an edge"
  lower_irq0
  raise_irq0
  catch .b
  sti
  nop
  nop
  cli
.b:
  caught "a second edge waits while the first is in service", NOFAULT
  put_port 0x20, 0x20
  check_register 0x20, ISR, 0, "a non-specific EOI ends it"
  catch .c
  sti
  nop
  nop
.c:
  caught "and the second comes", EXC(0x20, 0)
  put_port 0x20, 0x60
  check_register 0x20, ISR, 0, "a specific EOI of level 0"
  lower_irq0
  ret

priorities:
  put_port 0x21, 0xFF
  raise_irq0
  raise_irq4
  check_register 0x20, IRR, 0x11, "two requests"
  put_port 0x21, 0
  catch .a
  sti
  nop
  nop
.a:
  caught "the lower number comes first", EXC(0x20, 0)
  catch .b
  sti
  nop
  nop
  cli
.b:
  caught "the other waits for its EOI", NOFAULT
  put_port 0x20, 0x20
  catch .c
  sti
  nop
  nop
.c:
  caught "then it comes", EXC(0x24, 0)
  lower_irq0
  raise_irq0
  catch .d
  sti
  nop
  nop
.d:
  caught "the higher nests into it", EXC(0x20, 0)
  check_register 0x20, ISR, 0x11, "both in service"
  put_port 0x20, 0x20
  check_register 0x20, ISR, 0x10, "a non-specific EOI ends the highest"
  put_port 0x20, 0x64
  check_register 0x20, ISR, 0, "a specific one the other"
  lower_irq0
  lower_irq4
  ; rotation: level 3 lowest, 4 highest
  put_port 0x20, 0xC3
  put_port 0x21, 0xFF
  raise_irq0
  raise_irq4
  put_port 0x21, 0
  catch .e
  sti
  nop
  nop
.e:
  caught "set priority: 3 lowest makes 4 highest (8259A, OCW2)", EXC(0x24, 0)
  lower_irq4
  put_port 0x20, 0xA0                   ; rotate on non-specific EOI: 4 lowest
  catch .f
  sti
  nop
  nop
.f:
  caught "then IRQ0", EXC(0x20, 0)
  put_port 0x20, 0x20
  put_port 0x20, 0xC7
  lower_irq0
  ret

cascade:
  lower_irq4
  pic_init                              ; forgets edges that were latched
  put_port 0x21, 0xFF
  put_port 0xA1, 0
  raise_irq8
  check_register 0xA0, IRR, 1, "IRQ8 is the slave's first"
  check_register 0x20, IRR, 4, "and the master's IRQ2"
  put_port 0x21, 0xFB
  catch .a
  sti
  nop
  nop
.a:
  caught "vector 28h by way of IRQ2", EXC(0x28, 0)
  check_register 0x20, ISR, 4, "in service in the master"
  check_register 0xA0, ISR, 1, "and in the slave"
  put_port 0xA0, 0x20
  put_port 0x20, 0x20
  check_register 0x20, ISR, 0, "two EOIs end it"
  lower_irq8
  put_port 0xA1, 0xFF
  ret

modes:
  ; poll
  put_port 0x21, 0xFE
  raise_irq0
  put_port 0x20, 0x0C
  tcg_deviates "the request is not seen"
  check_port 0x20, 0x80, "poll: a request of level 0 (8259A, poll command)"
  check_register 0x20, ISR, 1, "which is acknowledged by that"
  conforms
  put_port 0x20, 0x20
  put_port 0x20, 0x0C
  get_port 0x20
  and eax, 0x80
  check_eq eax, 0, "poll: no request"
  lower_irq0
  ; special mask mode
  put_port 0x21, 0
  raise_irq0
  catch .a
  sti
  nop
  nop
.a:
  caught "IRQ0 in service", EXC(0x20, 0)
  put_port 0x20, 0x68                   ; special mask mode
  put_port 0x21, 1
  raise_irq4
  catch .b
  sti
  nop
  nop
.b:
  caught "special mask mode: a lower level comes in while a masked one is in service", EXC(0x24, 0)
  lower_irq4
  put_port 0x20, 0x48
  put_port 0x20, 0x64
  put_port 0x20, 0x60
  lower_irq0
  ; automatic EOI
  put_port 0x20, 0x11
  put_port 0x21, 0x20
  put_port 0x21, 4
  put_port 0x21, 3
  put_port 0x21, 0xFE
  raise_irq0
  catch .c
  sti
  nop
  nop
.c:
  caught "automatic EOI (8259A, ICW4)", EXC(0x20, 0)
  check_register 0x20, ISR, 0, "leaves nothing in service"
  lower_irq0
  pic_init
  ; the edge/level registers
  put_port 0x4D0, 0xFF
  check_port 0x4D0, 0xF8, "ELCR: IRQ0 to 2 are edge always (ICH, ELCR1)"
  put_port 0x4D1, 0xFF
  check_port 0x4D1, 0xDE, "ELCR: IRQ8 and 13 are edge always"
  put_port 0x4D0, 0x10
  put_port 0x4D1, 0
  put_port 0x21, 0xEF
  raise_irq4
  catch .d
  sti
  nop
  nop
.d:
  caught "level-triggered IRQ4", EXC(0x24, 0)
  check_register 0x20, IRR, 0x10, "is still requested while it is high"
  put_port 0x20, 0x20
  catch .e
  sti
  nop
  nop
.e:
  caught "and comes again after EOI", EXC(0x24, 0)
  lower_irq4
  put_port 0x20, 0x20
  check_register 0x20, IRR, 0, "until it falls"
  put_port 0x4D0, 0
  ; spurious: poll of nothing is seen above; the acknowledge of nothing is IRQ7
  ret
