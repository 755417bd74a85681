/* The filter banks of polyphase.h: sampling the prototype filters, sharing banks, and the inner loop.
 *
 * tools/design_filters.py explains the prototypes.
 *
 * Thread: as in polyphase.h; the list of banks is under banks_lock, which control threads alone take.
 */
#include "polyphase.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "prototypes.h"

/* A bank holds a row of coefficients for every phase of the ratio if they fit in this many values (1 MB of float). Odd
 * ratios such as 44100 : 44101 would need far more: their rows are interpolated between the rows of DENSE phases. */
#define MAX_VALUES (1u << 18)
/* Phases per sample of the lower rate: the error of cubic interpolation between them is -170 dB of full scale. */
#define DENSE 128
#define LANES 16
/* Bytes of a cache line, and of the longest vector. */
#define LINE 64

/* All users of a ratio and quality share one bank; this many unused banks are kept for later users. */
#define MAX_IDLE 8

struct wt_bank {
    struct wt_bank *next; /* in the list of all banks, newest first; under banks_lock, as `users` */
    unsigned users;
    const wt_kernels *kernels;
    const double *series; /* of the prototype; with up, down and kernels it identifies a bank */
    uint32_t up, down, taps;
    uint32_t phases; /* 0: one row for each of the `up` phases; else rows at (i - 1) / phases, i < phases + 3 */
    uint32_t stride; /* values per row: taps, rounded up to LANES unless `simple` */
    int wide;        /* rows are double and so are the sums */
    int simple;      /* rows are those of the kernel simple_polyphase */
    void *rows;   /* aligned to a cache line: a vector across two lines takes two loads */
    void *memory; /* that the rows are in */
};

typedef struct {
    const double *series;
    uint32_t terms, half;
} prototype;

#define PROTOTYPE(name) {WT_##name##_SERIES, sizeof WT_##name##_SERIES / sizeof(double), WT_##name##_HALF}

static prototype choose_prototype(wt_quality quality, uint32_t low_rate)
{
    static const prototype fast = PROTOTYPE(FAST), best = PROTOTYPE(BEST);
    static const prototype high = PROTOTYPE(HIGH), high_8 = PROTOTYPE(HIGH_8);
    if (quality == WT_BEST) return best;
    if (quality == WT_FAST) return fast;
    return low_rate >= 16000 ? high : high_8;
}

static uint32_t greatest_common_divisor(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* out[k] = scale * h((k - (taps / 2 - 1) - phase) * scale), normalised to the sum one: a constant signal stays the same. */
static void sample_row(prototype p, double scale, double phase, uint32_t taps, double *out)
{
    /* Positions evaluated side by side, so that the recurrence vectorises. */
    enum { BLOCK = 16 };
    const double pi = 3.14159265358979323846;
    double sum = 0.0;
    for (uint32_t k = 0; k < taps; k += BLOCK) {
        double t[BLOCK], twice_cos[BLOCK], b1[BLOCK], b2[BLOCK];
        for (int i = 0; i < BLOCK; i++) {
            t[i] = ((double)k + i - (taps / 2 - 1) - phase) * scale / p.half;
            twice_cos[i] = 2.0 * cos(pi * t[i]);
            b1[i] = b2[i] = 0.0;
        }
        /* Clenshaw: sum of c[m] cos(m x) without one cosine per term. */
        for (uint32_t m = p.terms - 1; m > 0; m--) {
            for (int i = 0; i < BLOCK; i++) {
                double b0 = p.series[m] + twice_cos[i] * b1[i] - b2[i];
                b2[i] = b1[i];
                b1[i] = b0;
            }
        }
        for (int i = 0; i < BLOCK && k + i < taps; i++) {
            out[k + i] = fabs(t[i]) < 1.0 ? p.series[0] + 0.5 * twice_cos[i] * b1[i] - b2[i] : 0.0;
            sum += out[k + i];
        }
    }
    for (uint32_t k = 0; k < taps; k++) out[k] /= sum;
}

/* Where a simple bank keeps the coefficient of tap k: it has the taps 0, down, 2 down ..., then 1, 1 + down ... */
static uint32_t place_in_simple_row(const wt_bank *bank, uint32_t k)
{
    uint32_t place = k / bank->down;
    for (uint32_t first = 0; first < k % bank->down; first++)
        place += (bank->taps - first + bank->down - 1) / bank->down;
    return place;
}

/* Rows are read in whole vectors. If taps is no multiple of LANES, the last vector overlaps the one before and is zero
 * there, so that nothing outside x[0 .. taps) is read. */
static void store_row(wt_bank *bank, uint32_t index, const double *row)
{
    if (bank->simple) {
        float *stored = (float *)bank->rows + (size_t)index * bank->stride;
        for (uint32_t k = 0; k < bank->taps; k++) stored[place_in_simple_row(bank, k)] = (float)row[k];
        return;
    }
    uint32_t whole = bank->taps / LANES * LANES, pad = bank->stride - bank->taps;
    for (uint32_t k = 0; k < bank->stride; k++) {
        double value = k < whole ? row[k] : k < whole + pad ? 0.0 : row[k - pad];
        if (bank->wide)
            ((double *)bank->rows)[(size_t)index * bank->stride + k] = value;
        else
            ((float *)bank->rows)[(size_t)index * bank->stride + k] = (float)value;
    }
}

static wt_bank *banks;
/* Held for a few steps through the list, by control threads only. */
static atomic_flag banks_lock = ATOMIC_FLAG_INIT;

static void lock_banks(void)
{
    while (atomic_flag_test_and_set_explicit(&banks_lock, memory_order_acquire)) {
    }
}

static void unlock_banks(void) { atomic_flag_clear_explicit(&banks_lock, memory_order_release); }

static void destroy(wt_bank *bank)
{
    if (!bank) return;
    free(bank->memory);
    free(bank);
}

/* The bank in the list, or NULL. Call under banks_lock. */
static wt_bank *find(uint32_t up, uint32_t down, const double *series, const wt_kernels *kernels)
{
    for (wt_bank *bank = banks; bank; bank = bank->next)
        if (bank->up == up && bank->down == down && bank->series == series && bank->kernels == kernels) return bank;
    return NULL;
}

static wt_bank *build(uint32_t up, uint32_t down, prototype p, int wide, const wt_kernels *kernels)
{
    wt_bank *bank = calloc(1, sizeof *bank);
    if (!bank) return NULL;
    bank->kernels = kernels;
    bank->series = p.series;
    bank->up = up;
    bank->down = down;
    bank->taps = 2;
    /* Equal rates need no rows: wt_polyphase copies. */
    if (up == down) return bank;

    /* The lower rate over the input rate. */
    double scale = up < down ? (double)up / down : 1.0;
    uint32_t low = up < down ? up : down;
    /* The prototype's support in input samples, rounded up. */
    bank->taps = 2 * (uint32_t)(((uint64_t)p.half * down + low - 1) / low);
    bank->wide = wide;
    bank->simple = !wide && up <= WT_SIMPLE && down <= WT_SIMPLE && bank->taps <= WT_SIMPLE_REACH * down;
    bank->stride = bank->simple ? bank->taps : (bank->taps + LANES - 1) / LANES * LANES;
    if ((uint64_t)up * bank->stride > MAX_VALUES) bank->phases = (uint32_t)(DENSE * scale) + 1;
    uint32_t rows = bank->phases ? bank->phases + 3 : up;
    bank->memory = malloc((size_t)rows * bank->stride * (wide ? sizeof(double) : sizeof(float)) + LINE);
    bank->rows = (void *)(((uintptr_t)bank->memory + LINE - 1) / LINE * LINE);
    double *row = malloc(bank->stride * sizeof *row);
    if (!bank->memory || !row) {
        free(row);
        destroy(bank);
        return NULL;
    }
    for (uint32_t i = 0; i < rows; i++) {
        sample_row(p, scale, bank->phases ? ((double)i - 1.0) / bank->phases : (double)i / up, bank->taps, row);
        store_row(bank, i, row);
    }
    free(row);
    return bank;
}

wt_bank *wt_bank_new(uint32_t in_rate, uint32_t out_rate, wt_quality quality)
{
    uint32_t divisor = greatest_common_divisor(in_rate, out_rate), up = out_rate / divisor, down = in_rate / divisor;
    prototype p = choose_prototype(quality, in_rate < out_rate ? in_rate : out_rate);
    const wt_kernels *kernels = wt_kernels_select();
    if (!kernels) return NULL;
    lock_banks();
    wt_bank *bank = find(up, down, p.series, kernels);
    if (bank) bank->users++;
    unlock_banks();
    if (bank) return bank;

    wt_bank *built = build(up, down, p, quality == WT_BEST, kernels);
    if (!built) return NULL;
    lock_banks();
    /* Another thread may have added the same bank meanwhile. */
    bank = find(up, down, p.series, kernels);
    if (!bank) {
        built->next = banks;
        banks = bank = built;
        built = NULL;
    }
    bank->users++;
    unlock_banks();
    destroy(built);
    return bank;
}

void wt_bank_free(wt_bank *bank)
{
    if (!bank) return;
    wt_bank *oldest = NULL;
    lock_banks();
    bank->users--;
    unsigned idle = 0;
    wt_bank **link_of_oldest = NULL;
    for (wt_bank **link = &banks; *link; link = &(*link)->next) {
        if ((*link)->users == 0) {
            idle++;
            link_of_oldest = link;
        }
    }
    if (idle > MAX_IDLE) {
        oldest = *link_of_oldest;
        *link_of_oldest = oldest->next;
    }
    unlock_banks();
    destroy(oldest);
}

uint32_t wt_bank_up(const wt_bank *bank) { return bank->up; }
uint32_t wt_bank_down(const wt_bank *bank) { return bank->down; }
uint32_t wt_bank_taps(const wt_bank *bank) { return bank->taps; }

int wt_bank_row(const wt_bank *bank, uint32_t phase, float *row)
{
    if (bank->wide || bank->phases || !bank->rows) return 0;
    if (!row) return 1;
    const float *stored = (const float *)bank->rows + (size_t)phase * bank->stride;
    if (bank->simple) {
        for (uint32_t k = 0; k < bank->taps; k++) row[k] = stored[place_in_simple_row(bank, k)];
        return 1;
    }
    uint32_t whole = bank->taps / LANES * LANES;
    memcpy(row, stored, whole * sizeof *row);
    memcpy(row + whole, stored + whole + bank->stride - bank->taps, (bank->taps - whole) * sizeof *row);
    return 1;
}

/* Partial sums added in the kernels' fixed order: the same bits from every compiler and instruction set. */
static double sum_lanes(double sums[LANES])
{
    for (int apart = LANES / 2; apart > 0; apart /= 2)
        for (int lane = 0; lane < apart; lane++) sums[lane] += sums[lane + apart];
    return sums[0];
}

static double dot_double(const double *row, const float *x, uint32_t taps, uint32_t stride)
{
    double sums[LANES] = {0};
    for (uint32_t k = 0; k + LANES <= taps; k += LANES)
        for (int lane = 0; lane < LANES; lane++) sums[lane] += row[k + lane] * (double)x[k + lane];
    if (stride != taps)
        for (int lane = 0; lane < LANES; lane++)
            sums[lane] += row[stride - LANES + lane] * (double)x[taps - LANES + lane];
    return sum_lanes(sums);
}

static double dot(const wt_bank *bank, uint32_t row, const float *x)
{
    if (bank->wide) return dot_double((double *)bank->rows + (size_t)row * bank->stride, x, bank->taps, bank->stride);
    float sum;
    bank->kernels->polyphase((float *)bank->rows + (size_t)row * bank->stride, bank->taps, 1, 1, x, 0, &sum, 1);
    return sum;
}

/* Cubic Lagrange interpolation between four neighbouring rows. */
static double dot_between(const wt_bank *bank, uint32_t phase, const float *x)
{
    uint64_t position = (uint64_t)phase * bank->phases;
    /* The row before the one at or below the phase. */
    uint32_t row = (uint32_t)(position / bank->up);
    double u = (double)(position % bank->up) / bank->up;
    double before = -u * (u - 1) * (u - 2) / 6, at = (u + 1) * (u - 1) * (u - 2) / 2;
    double after = -(u + 1) * u * (u - 2) / 2, beyond = (u + 1) * u * (u - 1) / 6;
    return dot(bank, row, x) * before + dot(bank, row + 1, x) * at + dot(bank, row + 2, x) * after +
           dot(bank, row + 3, x) * beyond;
}

uint64_t wt_polyphase(const wt_bank *bank, const float *x, uint32_t phase, float *y, size_t count)
{
    uint64_t end = phase + (uint64_t)count * bank->down;
    if (bank->up == bank->down) {
        memcpy(y, x, count * sizeof *y);
        return end;
    }
    uint32_t whole = bank->down / bank->up, rest = bank->down % bank->up;
    if (!bank->wide && !bank->phases) {
        (bank->simple ? bank->kernels->simple_polyphase : bank->kernels->polyphase)(
            bank->rows, bank->taps, bank->up, bank->down, x, phase, y, count);
        return end;
    }
    for (size_t j = 0; j < count; j++) {
        y[j] = (float)(bank->phases ? dot_between(bank, phase, x) : dot(bank, phase, x));
        x += whole;
        phase += rest;
        if (phase >= bank->up) {
            phase -= bank->up;
            x++;
        }
    }
    return end;
}
