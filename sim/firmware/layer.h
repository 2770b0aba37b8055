/* The ways to compute the layer. */
#ifndef LAYER_H
#define LAYER_H

#include "system.h"

/* Carry-save adders; the popcount of libgcc; both leave a word of outputs for each pixel. */
void layer_by_words(void);
void layer_by_library(void);

/* The unit, which leaves a word of pixels for each row of each output; and 0 if all went well. */
void layer_by_unit(void);
int unit_program(void);
int unit_check(void);

extern uint32_t results[];

#endif
