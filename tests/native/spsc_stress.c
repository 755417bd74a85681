/* Moves counting samples through the ring from one thread to another, in chunks of changing, odd sizes: any loss, repeat
 * or reordering shows as a wrong number.
 *
 * tests/native/test_spsc.py builds it. With -fsanitize=thread it is the race test; with -DWT_ACQUIRE=memory_order_relaxed
 * (or WT_RELEASE) it has the seeded bug that the race test must catch.
 *
 * Thread: produce() writes, main() reads.
 *
 * usage: spsc_stress CAPACITY SAMPLES SEED
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "spsc.h"

static wt_ring ring;
static uint64_t samples;
static uint32_t seed;

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void *produce(void *unused)
{
    uint32_t chunk[1000], random = seed | 1;
    uint64_t sent = 0;
    (void)unused;
    while (sent < samples) {
        uint64_t count = 1 + next_random(&random) % 999;
        if (count > samples - sent) count = samples - sent;
        for (uint64_t i = 0; i < count; i++) chunk[i] = (uint32_t)(sent + i);
        sent += wt_ring_write(&ring, chunk, count);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    uint64_t capacity = strtoull(argv[1], NULL, 10), received = 0, wrong = 0;
    samples = strtoull(argv[2], NULL, 10);
    seed = (uint32_t)strtoul(argv[3], NULL, 10);
    wt_ring_init(&ring, calloc(capacity, sizeof(uint32_t)), capacity, 0, sizeof(uint32_t));
    pthread_t producer;
    pthread_create(&producer, NULL, produce, NULL);
    uint32_t chunk[1000], random = seed + 7;
    while (received < samples) {
        uint64_t count = wt_ring_read(&ring, chunk, 1 + next_random(&random) % 999);
        for (uint64_t i = 0; i < count; i++) wrong += chunk[i] != (uint32_t)(received + i);
        received += count;
    }
    pthread_join(producer, NULL);
    printf("%llu received, %llu wrong, %llu left\n", (unsigned long long)received, (unsigned long long)wrong,
           (unsigned long long)wt_ring_readable(&ring));
    return wrong != 0;
}
