; A FAT floppy: its boot sector finds STAGE2.BIN by the FAT and loads it with
; INT 13h in cylinders, heads and sectors; that program checks the BIOS from
; real mode.
;
; The image ends after what it holds; what is missing up to 1.44 MB is zeroes, as
; `truncate -s 1440K` adds them.
; Output on COM1 is TAP, as with the other ROMs (lib/report.inc), and so are the
; values written to the exit port.

bits 16
cpu 386
%include "boot.inc"

%define SECTOR 512
%define SPT 18
%define HEADS 2
%define FAT_SECTORS 9
%define ROOT_ENTRIES 224
%define FAT_LBA 1
%define ROOT_LBA (FAT_LBA + 2 * FAT_SECTORS)
%define ROOT_SECTORS (ROOT_ENTRIES * 32 / SECTOR)
%define DATA_LBA (ROOT_LBA + ROOT_SECTORS)

%define FAT_AT 0x8000           ; the first FAT
%define ROOT_AT 0xA000          ; the root directory
%define STAGE2_SEG 0x1000

; --- the boot sector ---
section boot start=0 vstart=0x7C00
  jmp short start
  nop
oem: db "GLASSBOX"
  dw SECTOR                     ; bytes a sector
  db 1                          ; sectors a cluster
  dw 1                          ; reserved
  db 2                          ; FATs
  dw ROOT_ENTRIES
  dw 2880
  db 0xF0
  dw FAT_SECTORS
  dw SPT
  dw HEADS
  dd 0, 0
drive: db 0
  db 0, 0x29
  dd 0x20260101
  db "GLASSBOX   "
  db "FAT12   "

start:
  real_mode_segments
  sti
  mov [drive], dl
  mov ax, FAT_LBA
  mov cx, FAT_SECTORS
  mov bx, FAT_AT
  call read
  mov ax, ROOT_LBA
  mov cx, ROOT_SECTORS
  mov bx, ROOT_AT
  call read
  ; The entry with the name.
  mov di, ROOT_AT
.entry:
  push di
  mov si, name
  mov cx, 11
  repe cmpsb
  pop di
  je .found
  add di, 32
  cmp di, ROOT_AT + ROOT_ENTRIES * 32
  jb .entry
  mov si, missing
  jmp fail
.found:
  mov si, [di + 26]             ; the first cluster
  mov ax, STAGE2_SEG
  mov es, ax
  xor bx, bx
.cluster:
  lea ax, [si + DATA_LBA - 2]
  mov cx, 1
  call read
  ; The next cluster: twelve bits.
  mov ax, si
  shr ax, 1
  pushf
  add si, ax
  mov si, [si + FAT_AT]
  popf
  jnc .even
  shr si, 4
.even:
  and si, 0xFFF
  cmp si, 0xFF8
  jb .cluster
  mov dl, [drive]
  jmp STAGE2_SEG:0

; Reads CX sectors from AX on to ES:BX, one by one; BX goes on.
read:
  push cx
  push ax
  xor dx, dx
  mov cx, SPT
  div cx
  inc dl
  mov cl, dl                    ; sector
  xor dx, dx
  mov di, HEADS
  div di
  mov dh, dl                    ; head
  mov ch, al                    ; cylinder
  mov dl, [drive]
  mov di, 3                     ; tries
.try:
  mov ax, 0x0201
  int 0x13
  jnc .done
  xor ax, ax
  int 0x13
  dec di
  jnz .try
  mov si, unreadable
  jmp fail
.done:
  pop ax
  pop cx
  inc ax
  add bx, SECTOR
  loop read
  ret

fail:
  lodsb
  test al, al
  jz .stop
  mov ah, 0x0E
  mov bx, 7
  int 0x10
  jmp fail
.stop:
  int 0x18

name: db "STAGE2  BIN"
missing: db "no STAGE2.BIN", 13, 10, 0
unreadable: db "read error", 13, 10, 0
  times 510 - ($ - $$) db 0
  dw 0xAA55

; --- the two FATs: STAGE2.BIN is one chain from cluster 2 on ---
%macro fat 0
%%start:
  db 0xF0, 0xFF, 0xFF
%assign n 2
%rep STAGE2_CLUSTERS / 2
  ; Two entries of twelve bits: n and n + 1 lead to their successors.
  %assign a n + 1
  %assign b n + 2
  %if n + 1 == STAGE2_CLUSTERS + 1
    %assign b 0xFFF
  %endif
  db a & 0xFF, (a >> 8) | (b & 0xF) << 4, b >> 4
  %assign n n + 2
%endrep
  times FAT_SECTORS * SECTOR - ($ - %%start) db 0
%endmacro

%define STAGE2_CLUSTERS 10      ; even
section fats follows=boot vstart=0
  fat
  fat

section root follows=fats vstart=0
root_start:
  db "GLASSBOX   ", 0x08
  times 32 - ($ - root_start) db 0
  db "STAGE2  BIN", 0x20
  times 14 db 0
  dw 2                          ; first cluster
  dd STAGE2_CLUSTERS * SECTOR
  times ROOT_SECTORS * SECTOR - ($ - root_start) db 0

; --- the program ---
section stage2 follows=root vstart=0
%include "stage2.inc"
  times STAGE2_CLUSTERS * SECTOR - ($ - stage2_start) db 0

; --- sectors that say their own number, from DATA_LBA + STAGE2_CLUSTERS on ---
%define PATTERN_LBA (DATA_LBA + STAGE2_CLUSTERS)
%define PATTERN_END 80
section pattern follows=stage2 vstart=0
%assign n PATTERN_LBA
%rep PATTERN_END - PATTERN_LBA
  times SECTOR / 2 dw n
  %assign n n + 1
%endrep
