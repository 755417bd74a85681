/* Plans for the FFT: tables of cosines and sines, computed in double; and the one plan of each size. */
#include "fft.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

static const double TWO_PI = 6.28318530717958647692;

static wt_fft *new_plan(uint32_t size)
{
    wt_fft *plan = calloc(1, sizeof *plan);
    if (!plan) return NULL;
    plan->size = size;
    if (size < 128) {
        plan->real_twiddles = plan->memory = malloc(2 * (size_t)size * sizeof(float));
        if (!plan->memory) {
            free(plan);
            return NULL;
        }
        for (uint32_t k = 0; k < size; k++) {
            plan->real_twiddles[k] = (float)cos(TWO_PI * k / size);
            plan->real_twiddles[size + k] = (float)sin(TWO_PI * k / size);
        }
        return plan;
    }
    uint32_t half = size / 2;
    plan->columns = half / 8;
    size_t column_count = 2 * (size_t)plan->columns; /* 6/4 of the length, then of its quarter, ... : under twice it */
    size_t cross_count = 14 * (size_t)plan->columns, real_count = 2 * ((size_t)size / 4 + 16);
    float *table = plan->memory = malloc((column_count + cross_count + real_count) * sizeof(float));
    if (!table) {
        free(plan);
        return NULL;
    }
    plan->column_twiddles = table;
    for (uint32_t length = plan->columns; length > 8; length /= 4) {
        for (uint32_t p = 0; p < length / 4; p++) {
            for (uint32_t r = 1; r < 4; r++) {
                *table++ = (float)cos(TWO_PI * p * r / length);
                *table++ = (float)sin(TWO_PI * p * r / length);
            }
        }
    }
    plan->cross_twiddles = table;
    for (uint32_t k = 0; k < plan->columns; k += 8) {
        for (uint32_t lane = 1; lane < 8; lane++) {
            for (uint32_t i = 0; i < 8; i++) *table++ = (float)cos(TWO_PI * lane * (k + i) / half);
            for (uint32_t i = 0; i < 8; i++) *table++ = (float)sin(TWO_PI * lane * (k + i) / half);
        }
    }
    plan->real_twiddles = table;
    for (uint32_t k = 0; k < size / 4 + 16; k++) {
        table[k] = (float)cos(TWO_PI * k / size);
        table[size / 4 + 16 + k] = (float)sin(TWO_PI * k / size);
    }
    return plan;
}

/* By the logarithm of the size. A plan is published whole, and never changed or freed after. */
static _Atomic(wt_fft *) plans[16];

const wt_fft *wt_fft_plan(uint32_t size)
{
    unsigned k = 0;
    while ((uint32_t)1 << k < size) k++;
    wt_fft *plan = atomic_load_explicit(&plans[k], memory_order_acquire);
    if (plan) return plan;
    wt_fft *made = new_plan(size);
    if (!made) return NULL;
    if (atomic_compare_exchange_strong_explicit(&plans[k], &plan, made, memory_order_acq_rel, memory_order_acquire))
        return made;
    free(made->memory); /* another thread was first */
    free(made);
    return plan;
}
