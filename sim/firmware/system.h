/* Registers of the simulated system; what they do is said in soc.cpp. */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <stdint.h>

#define SYSTEM ((volatile uint32_t *)0x80000000)

enum { CONSOLE, EXIT, PHASE, RESULTS, DUMP };

/* What is counted for which part of the program. */
enum { BOOTING, PROGRAMMING, LAYER, DONE };

#define INLINE static inline __attribute__((always_inline))

#endif
