# The stack, zeros where C expects them, main, and its status to the system.
    .section .text.start
    .globl _start
_start:
    la sp, _stack
    la t0, _bss
    la t1, _end
1:  bgeu t0, t1, 2f
    sw zero, 0(t0)
    addi t0, t0, 4
    j 1b
2:
#ifdef CORE_VEXRISCV
    # Its custom instructions are illegal before bit 31 of register 0xbc0 is set: csrw 0xbc0, t0.
    li t0, 0x80000000
    .word 0xbc029073
#endif
    call main
    li t0, 0x80000000
    sw a0, 4(t0)
3:  j 3b
