/* The instructions of the unit; docs/soc.md says what they do. */
#ifndef UNIT_H
#define UNIT_H

#include "system.h"

/* One that waits for the unit: its answer means something, or what was asked before has to be done. */
#define UNIT(function, a, b)                                                                      \
    ({                                                                                            \
        uint32_t answer_;                                                                         \
        __asm__ volatile(".insn r 0x0b, %1, 0, %0, %2, %3"                                        \
                         : "=r"(answer_)                                                          \
                         : "i"(function), "r"(a), "r"(b));                                        \
        answer_;                                                                                  \
    })

enum {
    DOT, ROW, SIGN, SUM, ADD, SET, GET, WINDOW
};

/* Registers of SET. */
enum {
    SET_CHANNEL, SET_WINDOW, SET_SHIFT, SET_ROWS, SET_COLUMNS, SET_SLOT, SET_KERNEL, SET_PROGRAM,
    SET_CLEAR
};

/* Registers of GET, and bits of its status. */
enum { GET_STATUS, GET_HITS, GET_MISSES, GET_PULSES, GET_FAILED };

#define REFUSED 1u
#define NOT_VERIFIED 2u
#define BUSY 4u

/* No answer is wanted: x0 takes it. */
INLINE void unit_dot(uint32_t numbers) {
    __asm__ volatile(".insn r 0x0b, 0, 0, x0, %0, x0" : : "r"(numbers));
}

INLINE void unit_row(uint32_t pixels) {
    __asm__ volatile(".insn r 0x0b, 1, 0, x0, %0, x0" : : "r"(pixels));
}

INLINE uint32_t unit_sign(int32_t theta) { return UNIT(SIGN, theta, 0); }
INLINE void unit_add(int32_t value, uint32_t position) { UNIT(ADD, value, position); }
INLINE void unit_set(uint32_t reg, uint32_t value) { UNIT(SET, value, reg); }
INLINE uint32_t unit_get(uint32_t reg) { return UNIT(GET, 0, reg); }
INLINE uint32_t unit_window(uint32_t channel, uint32_t position) {
    return UNIT(WINDOW, channel, position);
}

#endif
