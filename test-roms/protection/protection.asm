; Sweeps every selector of a crowded GDT, with three RPLs, through everything
; that loads a selector, in ring 0 and in ring 3: MOV, POP, LSS, LLDT, LTR, far
; JMP, CALL and RET, IRET, gates, tasks, back links, SS0 of the TSS. What came
; of each of the 4440 cases is a line on port E9h: vector and error code, CS and
; EIP (from where the case began), EFLAGS, the stack, segment and general
; registers, TR, LDTR, and hashes of the GDT, the TSSs and the stacks.
;
; How it is entered: flat image at 8000h in real mode, CS = 0; no firmware is
; used. It ends in HLT with interrupts off.
;
; Run by emulator/cpu (src/transfer/sweep_tests.rs), where the expected outcomes
; are, too. The same image runs on any PC with a debug console at port E9h.
; RF in saved flags is masked: not every emulator to compare with sets it.
;
; Build: nasm -f bin -o protection.bin protection.asm

bits 16
org 0x8000
; --- where things are ---
%define STACK0 0x70000
%define STACK3 0x71000
%define STACKT 0x72000
%define STACKD 0x73000
%define STACK1 0x74000
%define GDT 0x60000
%define GDTSIZE 0x118
%define IDT 0x61000
%define LDT 0x62000
%define TSS 0x63000
%define TSS2 0x63100
%define TSS3 0x63200
%define TSSD 0x63300
%define TSS16 0x63400
; --- real mode to protected mode ---
start:
  cli
  xor ax,ax
  mov ds,ax
  mov es,ax
  mov ss,ax
  mov sp,0x7000
  in al,0x92
  or al,2
  out 0x92,al
  o32 lgdt [gdtr0]
  mov eax,cr0
  or al,0x21
  mov cr0,eax
  jmp dword 8:pm
bits 32
gdtr0: dw GDTSIZE-1
  dd pristine
gdtr: dw GDTSIZE-1
  dd GDT
idtr: dw 0x7FF
  dd IDT
; --- the tables, as every case finds them ---
%macro DESC 3 ; base limit attr
  dw (%2)&0xFFFF, (%1)&0xFFFF
  db ((%1)>>16)&0xFF, (%3)&0xFF, (((%2)>>16)&15)|(((%3)>>8)&0xF0), ((%1)>>24)&0xFF
%endmacro
%macro GATE 3 ; sel off type/params
  dw %2, %1, %3, 0
%endmacro
align 8
pristine:
  dq 0
  DESC 0,0xFFFFF,0xC09B  ;08
  DESC 0,0xFFFFF,0xC093  ;10
  DESC 0,0xFFFFF,0xC0FB  ;18
  DESC 0,0xFFFFF,0xC0F3  ;20
  DESC TSS,0x67,0x89     ;28
  DESC TSS2,0x67,0xE9    ;30
  DESC LDT,0x1F,0x82     ;38
  DESC 0,0xFFFFF,0xC09F  ;40 conforming
  DESC 0,0xFFFFF,0xC07A  ;48 code3 absent
  DESC 0x20000,0xFFF,0x4092 ;50
  DESC 0,0xFFF,0xC096  ;58 expand down
  DESC 0,0xFFFFF,0xC099  ;60 exec only
  GATE 8,gate_entry,0xEC02 ;68
  GATE 8,gate_entry,0xE402 ;70
  GATE 0x30,0,0xE500 ;78 task gate
  GATE 0x48,gate_entry,0xEC00 ;80 to absent
  GATE 0x10,gate_entry,0xEC00 ;88 to data
  DESC 0,0xFFFFF,0x809B  ;90 code16
  DESC TSS16,0x2B,0xE1   ;98
  DESC 0,0xFFFFF,0xC072  ;A0 data3 absent
  DESC 0,0xFFFFF,0xC090  ;A8 ro data0
  GATE 8,gate_entry,0x8C00 ;B0 dpl0 gate
  DESC 0,0xFFFFF,0x8093  ;B8 16-bit stack
  DESC 0,0xFFFFF,0xC0BB  ;C0 code1
  DESC 0,0xFFFFF,0xC0B3  ;C8 data1
  DESC 0,0xFFFFF,0xC0FF  ;D0 conforming 3
  DESC TSS2,0x67,0xEB    ;D8 busy
  DESC TSS2,0x66,0xE9    ;E0 short
  DESC 0,0xFFFFF,0xC0F0  ;E8 ro data3
  DESC TSS3,0x67,0xE9    ;F0 TSS with a bad DS
  GATE 0xC0,gate_entry,0xEC00 ;F8 to ring 1
  DESC TSSD,0x67,0x89    ;100 double fault
  GATE 0x18,gate_entry,0xEC00 ;108 to ring 3 code
  GATE 0x40,gate_entry,0xEC00 ;110 to conforming
ldt_image:
  DESC 0,0xFFFFF,0xC09B
  DESC 0,0xFFFFF,0xC093
  DESC 0,0xFFFFF,0xC0FB
  DESC 0,0xFFFFF,0xC0F3

; --- one case: tables, stacks and registers made anew, then its snippet ---
pm:
  mov ax,0x10
  mov ds,ax
  mov es,ax
  mov ss,ax
  mov esp,STACKD
  lidt [idtr]
next_case:
  cld
  ; pristine tables
  mov esi,pristine
  mov edi,GDT
  mov ecx,GDTSIZE/4
  rep movsd
  mov esi,ldt_image
  mov edi,LDT
  mov ecx,8
  rep movsd
  lgdt [gdtr]
  mov edi,TSS
  mov ecx,0x500/4
  xor eax,eax
  rep stosd
  mov edi,STACK0-0x100
  mov ecx,0x40+0x10
  rep stosd
  mov edi,STACK3-0x100
  mov ecx,0x40+0x10
  rep stosd
  mov edi,STACKT-0x100
  mov ecx,0x40
  rep stosd
  mov edi,STACK1-0x100
  mov ecx,0x40
  rep stosd
  mov dword [STACK3],0x11111111
  mov dword [STACK3+4],0x22222222
  mov dword [TSS+4],STACK0
  mov dword [TSS+8],0x10
  mov dword [TSS+12],STACK1
  mov dword [TSS+16],0xC9
  mov dword [TSS+0x64],0x680000
  mov ebx,TSS2
  call fill_tss
  mov ebx,TSS3
  call fill_tss
  mov dword [TSS3+0x54],0x48
  mov ebx,TSSD
  call fill_tss
  mov dword [TSSD+0x20],df_entry
  mov dword [TSSD+0x38],STACKD
  mov word [TSS16+0xE],task16_entry
  mov word [TSS16+0x10],2
  mov word [TSS16+0x1A],0x7000
  mov word [TSS16+0x22],0x10
  mov word [TSS16+0x24],0x08
  mov word [TSS16+0x26],0xB8
  mov word [TSS16+0x28],0x10
  ; idt
  mov edi,IDT
  xor ecx,ecx
.idt:
  mov eax,ecx
  imul eax,eax,8
  add eax,stubs
  mov [edi],ax
  mov word [edi+2],8
  mov word [edi+4],0x8E00
  mov word [edi+6],0
  add edi,8
  inc ecx
  cmp ecx,0x48
  jb .idt
  mov word [IDT+0x40*8+4],0xEE00
  mov word [IDT+8*8+4],0x8500
  mov word [IDT+8*8+2],0x100
  push dword 2
  popfd
  xor eax,eax
  lldt ax
  mov ax,0x38
  lldt ax
  mov ax,0x28
  ltr ax
  clts
  mov ax,0x10
  mov ds,ax
  mov es,ax
  mov fs,ax
  mov gs,ax
  ; which case: ring, snippet, selector
  mov eax,[selector]
  mov ecx,[snippet]
  shl ecx,4
  add ecx,snippets
  mov [farptr+4],ax
  mov dword [farptr],target
  mov [IDT+0x41*8+2],ax
  mov word [IDT+0x41*8+4],0xEE00
  mov word [IDT+0x41*8],target
  mov [IDT+0x42*8+2],ax
  mov word [IDT+0x42*8+4],0xE500
  test dword [ecx+12],1
  jz .noss0
  mov [TSS+8],ax
.noss0:
  test dword [ecx+12],2
  jz .nolink
  mov [TSS],ax
.nolink:
  mov edi,[ecx+8]   ; prepare stack kind
  mov ebp,STACK0-0x40
  cmp dword [ring],0
  je .r0
  mov ebp,STACK3-0x40
.r0:
  ; frame at ebp: target, sel, flags, esp, ss
  mov dword [ebp],target
  mov [ebp+4],eax
  cmp edi,1
  jne .notretf
  mov dword [ebp+8],STACK3-0x20
  mov dword [ebp+12],0x23
.notretf:
  cmp edi,2
  jne .notiret
  mov dword [ebp+8],0x2
  mov dword [ebp+12],STACK3-0x20
  mov dword [ebp+16],0x23
.notiret:
  cmp edi,3
  jne .notret_ss
  mov dword [ebp+4],0x1B
  mov dword [ebp+8],0x2
  mov dword [ebp+12],STACK3-0x20
  mov [ebp+16],eax
.notret_ss:
  mov edx,[ecx]
  mov [start_of],edx
  cmp dword [ring],0
  jne .ring3
  mov esp,ebp
  mov ebx,0xB0B0B0B0
  mov ecx,0xC0C0C0C0
  mov esi,3
  push edx
  ret
.ring3:
  push dword 0x23
  push ebp
  push dword 0x3002
  and dword [esp],0xFFF   ; IOPL 0
  push dword 0x1B
  push edx
  mov ebx,0x23
  mov ds,bx
  mov es,bx
  mov ebx,0xB0B0B0B0
  mov ecx,0xC0C0C0C0
  mov esi,3
  iretd

; A task at EBX that raises INT 40h when it begins.
fill_tss:
  mov dword [ebx+0x20],task_entry
  mov dword [ebx+0x24],2
  mov dword [ebx+0x38],STACKT
  mov dword [ebx+0x48],0x10
  mov dword [ebx+0x4C],0x08
  mov dword [ebx+0x50],0x10
  mov dword [ebx+0x54],0x10
  mov dword [ebx+0x60],0x38
  mov dword [ebx+0x64],0x680000
  ret

; --- where transfers lead: INT 40h means that the case went through ---
target: int 0x40
gate_entry: int 0x40
task_entry: int 0x40
  jmp $
task16_entry:
  movzx esp,sp                  ; a 16-bit TSS leaves the upper half undefined
  int 0x40

; --- the cases: code, kind of frame on its stack, what of the TSS it changes ---
; Frame 1: far RET; 2: IRET, the selector is CS; 3: IRET, the selector is SS.
; TSS 1: the selector is SS0; 2: it is the back link.
%macro SNIP 3
  dd %1, 0, %2, %3
%endmacro
align 16
snippets:
  SNIP s_movds,0,0
  SNIP s_movss,0,0
  SNIP s_popfs,0,0
  SNIP s_lldt,0,0
  SNIP s_ltr,0,0
  SNIP s_jmp,0,0
  SNIP s_call,0,0
  SNIP s_query,0,0
  SNIP s_verify,0,0
  SNIP s_retf,1,0
  SNIP s_iret,2,0
  SNIP s_iret,3,0
  SNIP s_int41,0,0
  SNIP s_int42,0,0
  SNIP s_arpl,0,0
  SNIP s_nt,0,2
  SNIP s_int43,0,1
  SNIP s_call16,0,0
  SNIP s_lss,0,0
  SNIP s_retf16,0,0
SNIPPETS equ ($-snippets)/16
s_movds: mov ds,ax
  int 0x40
s_movss: mov ss,ax
  int 0x40
s_popfs: push eax
  pop fs
  int 0x40
s_lldt: lldt ax
  int 0x40
s_ltr: ltr ax
  int 0x40
s_jmp: jmp far [farptr]
s_call: call far [farptr]
s_query: lar ebx,eax
  pushfd
  lsl ecx,eax
  pushfd
  pop edx
  pop edi
  int 0x40
s_verify: verr ax
  pushfd
  verw ax
  pushfd
  pop edx
  pop edi
  int 0x40
s_retf: retf
s_iret: iretd
s_int41: int 0x41
s_int42: int 0x42
s_arpl: arpl ax,si
  int 0x40
s_nt: pushfd
  or dword [esp],0x4000
  popfd
  iretd
s_int43: int 0x40
s_call16: 
  o16 call far [farptr+0x10]
s_lss:
  mov [farptr+0x20],esp
  mov [farptr+0x24],ax
  lss esp,[farptr+0x20]
  int 0x40
s_retf16:
  push ax
  push word target
  o16 retf

align 8
; --- the handlers: eight bytes a vector ---
stubs:
%assign v 0
%rep 0x48
%if v==8 || (v>=10 && v<=14) || v==17
  push byte v
  jmp near entered
  nop
%else
  push byte 0x7E   ; no error code
  call near noerr
  nop
%endif
%assign v v+1
%endrep
noerr: ; the return address becomes the vector
  sub dword [esp],stubs
  shr dword [esp],3
entered: ; [esp]=vector, [esp+4]=error
  and dword [ss:esp+16],~0x10000   ; RF: QEMU never sets it
  pushad
  mov ecx,ss
  mov ebx,ds
  mov edx,0x10
  mov ds,dx
  mov [r_ds],ebx
  mov [r_ss],ecx
  mov [r_es],es
  mov [r_fs],fs
  mov [r_gs],gs
  mov [r_esp],esp
  cmp cx,0xB8
  jne .wide
  and dword [r_esp],0xFFFF      ; a 16-bit stack
.wide:
  mov es,dx
  cld
  mov dword [is_df],0
  jmp report
df_entry:
  ; a new task: nothing of the old one in registers
  pushad
  mov dword [is_df],1
  mov dword [r_esp],esp
  mov word [r_ss],0xDFDF
report:
  and dword [TSS+0x24],~0x10000
  and dword [TSS2+0x24],~0x10000
  and dword [TSS3+0x24],~0x10000
  mov al,[snippet]
  call hex8
  mov al,[ring]
  call hex8
  mov eax,[selector]
  call hex16
  mov al,':'
  call putc
  cmp dword [is_df],0
  jne .df
  mov esi,[r_esp]
  mov al,[ss:esi+32]
  call hex8
  mov eax,[ss:esi+36]
  call hex16
  call space
  mov eax,[ss:esi+44] ; cs
  call hex16
  mov eax,[ss:esi+40]
  sub eax,[start_of]
  call hex32
  mov eax,[ss:esi+48] ; flags
  and eax,[flagmask]
  call hex32
  call space
  mov eax,esi
  call hex32
  mov eax,[r_ss]
  call hex16
  mov eax,[r_ds]
  call hex16
  mov eax,[r_es]
  call hex16
  mov eax,[r_fs]
  call hex16
  call space
  mov eax,[ss:esi+28]
  call hex32
  mov eax,[ss:esi+16]
  call hex32
  mov eax,[ss:esi+24]
  call hex32
  mov eax,[ss:esi+20]
  and eax,0x40
  call hex8
  mov eax,[ss:esi]
  and eax,0x40
  call hex8
  jmp .rest
.df:
  mov al,'D'
  call putc
  mov eax,[STACKD-4]
  call hex32
.rest:
  call space
  str ax
  call hex16
  sldt ax
  call hex16
  mov esi,GDT
  mov ecx,GDTSIZE/4
  call hash
  mov esi,TSS
  mov ecx,0x100
  call hash
  mov esi,STACK0-0x80
  mov ecx,0x20+8
  call hash
  mov esi,STACK3-0x80
  mov ecx,0x20+8
  call hash
  mov esi,STACKT-0x80
  mov ecx,0x20
  call hash
  mov esi,STACK1-0x80
  mov ecx,0x20
  call hash
  mov al,10
  call putc
  ; back to a sane stack and TR-less state
  mov ax,0x10
  mov ss,ax
  mov esp,STACKD-0x800
  push dword 2
  popfd
  inc dword [selindex]
  mov eax,[selindex]
  cmp eax,SELECTORS
  jb .sel
  mov dword [selindex],0
  inc dword [snippet]
  cmp dword [snippet],SNIPPETS
  jb .first
  mov dword [snippet],0
  add dword [ring],3
  cmp dword [ring],3
  ja done
.first:
  xor eax,eax
.sel:
  ; 0..GDTSIZE/8-1 with RPL 0, then RPL 3, then RPL 1, then a few LDT ones
  xor edx,edx
  mov ecx,GDTSIZE/8
  div ecx
  shl edx,3
  cmp eax,3
  jae .ldt
  or dl,[rpls+eax]
  jmp .store
.ldt:
  or dl,4
.store:
  mov [selector],edx
  mov dword [farptr+0x10],target
  mov [farptr+0x12],dx
  jmp next_case
done:
  mov al,'E'
  call putc
  mov al,10
  call putc
  cli
.h: hlt
  jmp .h
SELECTORS equ (GDTSIZE/8)*3+6
rpls: db 0,3,1,0
; --- output ---
space:
  mov al,' '
putc: out 0xE9,al
  ret
hash:
  xor eax,eax
.l: rol eax,5
  xor eax,[esi]
  add esi,4
  loop .l
  call space
hex32:
  push eax
  shr eax,16
  call hex16
  pop eax
hex16:
  push eax
  shr eax,8
  call hex8
  pop eax
hex8:
  push eax
  shr al,4
  call hex4
  pop eax
  push eax
  and al,15
  call hex4
  pop eax
  ret
hex4:
  cmp al,10
  jb .d
  add al,7
.d: add al,'0'
  out 0xE9,al
  ret
; --- variables ---
align 4
selindex: dd 0
selector: dd 0
snippet: dd 0
ring: dd 0
start_of: dd 0
is_df: dd 0
r_ds: dd 0
r_ss: dd 0
r_es: dd 0
r_fs: dd 0
r_gs: dd 0
r_esp: dd 0
flagmask: dd 0x003FFFFF
farptr: times 16 dd 0
times 0x2000-($-$$) db 0
