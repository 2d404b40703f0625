; The 16550A serial port, by COM1 in its own loopback mode (PC16550D datasheet).
%include "../lib/rom.inc"
%include "../lib/devices.inc"

bits 32
%define RBR 0x3F8
%define IER 0x3F9
%define IIR 0x3FA
%define FCR 0x3FA
%define LCR 0x3FB
%define MCR 0x3FC
%define LSR 0x3FD
%define MSR 0x3FE
%define SCR 0x3FF

section .data
align 8
values: times 64 dd 0
kept_lcr: db 0
kept_mcr: db 0
section .text

; The console is this port, so values are noted in loopback and checked afterwards.
%assign slot 0
; note PORT, EXPECTED, NAME
%macro note 3-4 0xFF
  get_port %1
  and eax, %4
  mov [values + slot * 4], eax
  %xdefine note_%[slot]_value %2
  %xdefine note_%[slot]_name %3
  %assign slot slot + 1
%endmacro

; What the note before does not find on TCG.
%macro noted_tcg 1
  %assign last slot - 1
  %xdefine note_%[last]_deviates %1
%endmacro

main:
  call sleep_init
  call registers
  call loopback
  call report
  ret

registers:
  put_port SCR, 0x5A
  check_port SCR, 0x5A, "the scratch register (PC16550D 8.9)"
  put_port SCR, 0xA5
  check_port SCR, 0xA5, "holds every bit"
  put_port IER, 0xFF
  check_port IER, 0x0F, "IER has four bits (PC16550D 8.8)"
  put_port IER, 0
  get_port LCR
  mov ebx, eax
  ; wait for the last character to leave before the divisor changes
.drain:
  get_port LSR
  test al, 0x40
  jz .drain
  put_port LCR, 0x83
  put_port RBR, 0x34
  put_port IER, 0x12
  get_port RBR
  mov [values + 0xF0], eax
  get_port IER
  mov [values + 0xF4], eax
  put_port RBR, 1
  put_port IER, 0
  mov eax, ebx
  mov edx, LCR
  out dx, al
  check_eq [values + 0xF0], 0x34, "DLAB: the low byte of the divisor (PC16550D 8.5)"
  check_eq [values + 0xF4], 0x12, "the high byte"
  put_port FCR, 0
  get_port IIR
  check_bits eax, 0xC0, 0, "IIR: no FIFOs"
  put_port FCR, 1
  get_port IIR
  check_bits eax, 0xC0, 0xC0, "IIR: FIFOs enabled (PC16550D 8.7)"
  put_port FCR, 0
  ret

loopback:
.drain:
  get_port LSR
  test al, 0x40
  jz .drain
  put_port IER, 0
  put_port FCR, 0
  put_port LCR, 3
  put_port MCR, 0x10
  sleep_ms 20
  get_port RBR
  get_port LSR
  get_port MSR
  note MSR, 0, "loopback: no modem lines (PC16550D 8.6.2)"
  put_port MCR, 0x1F
  note MSR, 0xF0, "MCR drives MSR: DTR, RTS, OUT1, OUT2 are DSR, CTS, RI, DCD", 0xF0
  put_port MCR, 0x11
  note MSR, 0x20, "DTR is DSR", 0xF0
  put_port MCR, 0x12
  note MSR, 0x10, "RTS is CTS", 0xF0
  get_port MSR
  note MSR, 0, "the deltas are clear after a read", 0x0F
  put_port MCR, 0x10
  note MSR, 1, "a change of CTS is noted", 0x0F
  noted_tcg "no deltas in loopback"
  note LSR, 0x60, "the transmitter is empty"
  put_port RBR, 0x55
  sleep_ms 20
  note LSR, 0x61, "what is sent is received"
  note RBR, 0x55, "byte 55h"
  note LSR, 0x60, "and taken"
  ; interrupts
  note IIR, 1, "IIR: nothing pending", 0x0F
  put_port IER, 2
  note IIR, 2, "IIR: the transmitter is empty", 0x0F
  note IIR, 1, "which reading IIR clears", 0x0F
  put_port IER, 0
  put_port IER, 2
  note IIR, 2, "and enabling it brings back", 0x0F
  put_port IER, 5
  put_port RBR, 0xAA
  sleep_ms 20
  note IIR, 4, "IIR: data", 0x0F
  put_port RBR, 0xBB
  sleep_ms 20
  note IIR, 6, "IIR: line status comes before data", 0x0F
  note LSR, 2, "overrun", 0x02
  note LSR, 0, "which reading LSR clears", 0x02
  note IIR, 4, "then the data", 0x0F
  note RBR, 0xBB, "the newer byte has overwritten the older"
  put_port IER, 8
  get_port MSR
  put_port MCR, 0x12
  note IIR, 0, "IIR: modem status", 0x0F
  noted_tcg "no deltas in loopback"
  get_port MSR
  note IIR, 1, "cleared by reading MSR", 0x0F
  put_port IER, 0
  put_port MCR, 0x10
  ; FIFOs
  put_port FCR, 0x87                    ; enable, clear, trigger at 8
  put_port IER, 1
  mov ebx, 7
.seven:
  mov eax, ebx
  mov edx, RBR
  out dx, al
  sleep_ms 2
  dec ebx
  jnz .seven
  put_port RBR, 0x88
  sleep_ms 2
  note IIR, 0xC4, "8 bytes, trigger at 8: data (or a time-out)", 0xF7
  note RBR, 7, "the first byte first"
  sleep_ms 50
  note IIR, 0xCC, "7 left: a time-out says so (PC16550D 8.7)"
  put_port FCR, 0x83
  note LSR, 0, "FCR bit 1 empties the receiver", 1
  mov ebx, 16
.sixteen:
  mov eax, ebx
  mov edx, RBR
  out dx, al
  sleep_ms 2
  dec ebx
  jnz .sixteen
  note LSR, 0, "16 bytes fit", 2
  put_port RBR, 0x99
  sleep_ms 2
  note LSR, 2, "the 17th overruns", 2
  note RBR, 16, "and is lost: the first is still there"
  put_port FCR, 0
  put_port FCR, 1
  note LSR, 0, "a change of FCR bit 0 empties the FIFOs", 1
  put_port FCR, 0
  put_port IER, 0
  ; 5 bits
  put_port LCR, 0
  put_port RBR, 0xFF
  sleep_ms 20
  note RBR, 0x1F, "5-bit characters"
  noted_tcg "all eight bits come"
  put_port LCR, 3
  ; break
  put_port LCR, 0x43
  sleep_ms 20
  note LSR, 0x10, "a break is received (PC16550D 8.5, bit 6)", 0x10
  noted_tcg "no break in loopback"
  put_port LCR, 3
  get_port RBR
  get_port LSR
  put_port MCR, 3
  ret

report:
  %assign n 0
  %rep slot
  %ifdef note_%[n]_deviates
  tcg_deviates note_%[n]_deviates
  %endif
  check_eq [values + n * 4], note_%[n]_value, note_%[n]_name
  conforms
  %assign n n + 1
  %endrep
  ret
