/* Count where vectors and weights of bits differ; binohm.sim.words compiles and calls this.

   words [count][vectors], weights [outputs][count], totals [outputs][vectors]; count below 1024.
   Loops run along vectors, so that compilers use vector instructions where they count bits. */
#include <stddef.h>
#include <stdint.h>

enum { TILE = 512 }; /* vectors whose sums stay in the first cache */

void mismatches(const uint64_t *words, const uint64_t *weights, ptrdiff_t count, ptrdiff_t vectors,
                ptrdiff_t outputs, uint16_t *totals)
{
    for (ptrdiff_t at = 0; at < vectors; at += TILE) {
        const ptrdiff_t some = vectors - at < TILE ? vectors - at : TILE;
        for (ptrdiff_t output = 0; output < outputs; output++) {
            uint64_t sums[TILE] = {0};
            for (ptrdiff_t k = 0; k < count; k++) {
                const uint64_t weight = weights[output * count + k];
                const uint64_t *word = words + k * vectors + at;
                for (ptrdiff_t j = 0; j < some; j++)
                    sums[j] += (uint64_t)__builtin_popcountll(word[j] ^ weight);
            }
            uint16_t *total = totals + output * vectors + at;
            for (ptrdiff_t j = 0; j < some; j++) total[j] = (uint16_t)sums[j];
        }
    }
}
