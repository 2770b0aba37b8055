/* Bits that are 1 in several words, without an instruction for it.
 *
 * Words are added by carry-save adders: three of one weight become one of it and one of twice the
 * weight, so that few are left of which bits are counted. Everything is unrolled, and what stands
 * where is known when it is compiled. */
#ifndef POPCOUNT_H
#define POPCOUNT_H

#include "system.h"

#define LEVELS 6
#define UNROLL _Pragma("GCC unroll 64")

/* Word number `k` of weight 2^level goes in. */
INLINE void push(uint32_t *sum, uint32_t *held, unsigned level, unsigned k, uint32_t word) {
    UNROLL for (; level < LEVELS; ++level) {
        if (k == 0) {
            sum[level] = word;
            return;
        }
        if (k & 1) {
            held[level] = word;
            return;
        }
        const uint32_t other = sum[level] ^ held[level];
        const uint32_t carry = (sum[level] & held[level]) | (other & word);
        sum[level] = other ^ word;
        word = carry;
        k = k / 2 - 1;
    }
}

/* Ones in every four bits. */
INLINE uint32_t fours(uint32_t v) {
    v -= v >> 1 & 0x55555555u;
    return (v & 0x33333333u) + (v >> 2 & 0x33333333u);
}

/* Ones in `n` words, at most 31, in the two halves of a word; the words are a[k] ^ b[k]. */
INLINE uint32_t halves(const uint32_t *a, const uint32_t *b, unsigned n) {
    uint32_t sum[LEVELS], held[LEVELS];
    UNROLL for (unsigned k = 0; k < n; ++k) push(sum, held, 0, k, a[k] ^ b[k]);

    uint32_t bytes = 0;
    unsigned words = n;
    UNROLL for (unsigned level = 0; level < LEVELS; ++level) {
        if (!words) continue;
        unsigned carries = (words - 1) / 2;
        if (!(words & 1)) { /* two are left */
            const uint32_t carry = sum[level] & held[level];
            sum[level] ^= held[level];
            push(sum, held, level + 1, carries++, carry);
        }
        words = carries;
        if (level & 1) { /* four bits hold the ones of two levels */
            const uint32_t both = fours(sum[level - 1]) + 2 * fours(sum[level]);
            bytes += ((both & 0x0f0f0f0fu) + (both >> 4 & 0x0f0f0f0fu)) << (level - 1);
        } else if (!words) {
            const uint32_t one = fours(sum[level]);
            bytes += ((one + (one >> 4)) & 0x0f0f0f0fu) << level;
        }
    }
    return (bytes & 0x00ff00ffu) + (bytes >> 8 & 0x00ff00ffu);
}

#define AT_ONCE 27

/* Bits in which n words differ. */
INLINE uint32_t mismatches(const uint32_t *a, const uint32_t *b, unsigned n) {
    uint32_t total = 0;
    UNROLL for (unsigned k = 0; k < n; k += AT_ONCE) {
        total += halves(a + k, b + k, n - k < AT_ONCE ? n - k : AT_ONCE);
    }
    return (total + (total << 16)) >> 16;
}

#endif
