/* One layer, computed in the way that the system asks for; its results go to the system. */
#include "layer.h"
#include "tables.h"
#include "unit.h"

#define WORDS_OF_PIXELS (RESULT_ROWS * RESULT_COLUMNS * RESULT_WORDS)
#define WORDS_OF_ROWS (RESULT_ROWS * OUTPUTS)
#define MOST (WORDS_OF_PIXELS > WORDS_OF_ROWS ? WORDS_OF_PIXELS : WORDS_OF_ROWS)

uint32_t results[MOST];

/* What the system may ask for; more bits than the first: program the store before. */
enum { BY_WORDS, BY_LIBRARY, BY_UNIT };
#define PROGRAM 0x100

static void say(const char *text) {
    while (*text) SYSTEM[CONSOLE] = (uint8_t)*text++;
}

#ifdef NUMBERS
static void say_number(const char *text, uint32_t value) {
    say(text);
    for (int k = 28; k >= 0; k -= 4) SYSTEM[CONSOLE] = (uint8_t)"0123456789abcdef"[value >> k & 15];
}
#endif

int main(void) {
    const uint32_t mode = SYSTEM[PHASE];
    int status = 0;
    uint32_t words = WORDS_OF_PIXELS;

    say("binohm soc\n");
#ifdef NUMBERS
    if (mode & PROGRAM) {
        SYSTEM[PHASE] = PROGRAMMING;
        status |= unit_program();
    }
#endif
    SYSTEM[PHASE] = LAYER;
    switch (mode & 0xff) {
        case BY_WORDS: layer_by_words(); break;
        case BY_LIBRARY: layer_by_library(); break;
#ifdef NUMBERS
        case BY_UNIT:
            layer_by_unit();
            words = WORDS_OF_ROWS;
            break;
#endif
        default: status |= 64;
    }
    SYSTEM[PHASE] = DONE;
#ifdef NUMBERS
    if ((mode & 0xff) == BY_UNIT) {
        status |= unit_check();
        say_number("hits ", unit_get(GET_HITS));
        say_number(" misses ", unit_get(GET_MISSES));
        say("\n");
    }
#endif
    SYSTEM[RESULTS] = (uint32_t)results;
    SYSTEM[DUMP] = 4 * words;
    say(status ? "failed\n" : "done\n");
    return status;
}
