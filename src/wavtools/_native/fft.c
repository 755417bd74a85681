/* Makes the plans of fft.h: tables of cosines and sines, computed in double, and one shared plan for each size.
 *
 * Thread: any; never waits.
 */
#include "fft.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

/* The cosine and sine of k / n of a turn, n a multiple of 8, computed from the first eighth of the circle: zeros and ones
 * are exact, and no result depends on how a platform's libm reduces an angle. */
static void turn(uint32_t k, uint32_t n, float *cosine, float *sine)
{
    uint32_t quarter = n / 4, quadrant = k / quarter % 4, rest = k % quarter;
    int upper = rest > n / 8;
    double angle = 6.28318530717958647692 * (upper ? quarter - rest : rest) / n;
    float c = (float)(upper ? sin(angle) : cos(angle)), s = (float)(upper ? cos(angle) : sin(angle));
    *cosine = quadrant == 0 ? c : quadrant == 1 ? -s : quadrant == 2 ? -c : s;
    *sine = quadrant == 0 ? s : quadrant == 1 ? c : quadrant == 2 ? -s : -c;
}

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
        for (uint32_t k = 0; k < size; k++) turn(k, size, &plan->real_twiddles[k], &plan->real_twiddles[size + k]);
        return plan;
    }
    uint32_t half = size / 2;
    plan->columns = half / 8;
    /* A stage takes 6/4 of its length, the next one 6/4 of a quarter of it, and so on: less than twice the first. */
    size_t column_count = 2 * (size_t)plan->columns;
    size_t cross_count = 14 * (size_t)plan->columns, real_count = 2 * ((size_t)size / 4 + 16);
    float *table = plan->memory = malloc((column_count + cross_count + real_count) * sizeof(float));
    if (!table) {
        free(plan);
        return NULL;
    }
    plan->column_twiddles = table;
    for (uint32_t length = plan->columns; length > 8; length /= 4) {
        for (uint32_t p = 0; p < length / 4; p++) {
            for (uint32_t r = 1; r < 4; r++, table += 2) turn(p * r, length, table, table + 1);
        }
    }
    plan->cross_twiddles = table;
    for (uint32_t k = 0; k < plan->columns; k += 8) {
        for (uint32_t lane = 1; lane < 8; lane++, table += 16)
            for (uint32_t i = 0; i < 8; i++) turn(lane * (k + i), half, table + i, table + 8 + i);
    }
    plan->real_twiddles = table;
    for (uint32_t k = 0; k < size / 4 + 16; k++) turn(k, size, table + k, table + size / 4 + 16 + k);
    return plan;
}

/* By the logarithm of the size. A plan is published when it is complete, and never changed or freed after that. */
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
    /* Another thread published its plan first. */
    free(made->memory);
    free(made);
    return plan;
}
