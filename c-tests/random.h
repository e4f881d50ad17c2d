/* Pseudo-random numbers: the same for the same seed, on every machine. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>
#include <string.h>

static uint64_t random_state;

/* xorshift64*, by Marsaglia and Vigna. */
static inline uint64_t next_random(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 0x2545f4914f6cdd1d;
}

/* Neighbouring seeds give unrelated sequences. */
static inline void seed_random(uint64_t seed)
{
    random_state = (seed + 1) * 0x9e3779b97f4a7c15;
    random_state ^= random_state >> 31;
    random_state |= random_state == 0;
    for (int i = 0; i < 8; i++)
        next_random();
}

/* Returns a number from 0 to `end` - 1, or 0 if `end` is not positive. */
static inline long below(long end)
{
    return end <= 0 ? 0 : (long)(next_random() >> 16) % end;
}

static inline int one_in(long count)
{
    return below(count) == 0;
}

static inline void fill_random(unsigned char *bytes, size_t len)
{
    for (size_t at = 0; at < len; at += 8) {
        uint64_t word = next_random();
        memcpy(bytes + at, &word, len - at < 8 ? len - at : 8);
    }
}

#endif
