/* Polyphase windowed-sinc interpolation. polyphase.h has the contract; tools/design_filters.py explains the prototypes. */
#include "polyphase.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prototypes.h"

/* Rows of coefficients are kept for every phase of the ratio while they fit in this many values (1 MB of float). Odd ratios
 * such as 44100 : 44101 would need far more: for them a row is interpolated between the rows of DENSE phases. */
#define MAX_VALUES (1u << 18)
/* Phases per sample of the lower rate: cubic interpolation between them errs by -170 dB of full scale. */
#define DENSE 128
#define LANES 8

struct wt_bank {
    uint32_t up, down, taps;
    uint32_t phases; /* 0: one row for each of the `up` phases; else rows at (i - 1) / phases, i < phases + 3 */
    uint32_t stride; /* values per row: taps rounded up to LANES */
    int wide;        /* rows are double and so are the sums */
    void *rows;
};

typedef struct {
    const double *series;
    uint32_t terms, half;
} prototype;

#define PROTOTYPE(name) {WT_##name##_SERIES, sizeof WT_##name##_SERIES / sizeof(double), WT_##name##_HALF}

static prototype choose_prototype(wt_quality quality, uint32_t low_rate)
{
    static const prototype fast = PROTOTYPE(FAST), best = PROTOTYPE(BEST);
    static const prototype high = PROTOTYPE(HIGH), high_16 = PROTOTYPE(HIGH_16), high_8 = PROTOTYPE(HIGH_8);
    if (quality == WT_BEST) return best;
    if (quality == WT_FAST) return fast;
    return low_rate >= 18000 ? high : low_rate >= 16000 ? high_16 : high_8;
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

/* out[k] = scale * h((k - (taps / 2 - 1) - phase) * scale), k < taps, made to sum to one: a constant stays that constant. */
static void sample_row(prototype p, double scale, double phase, uint32_t taps, double *out)
{
    enum { BLOCK = 16 }; /* positions evaluated side by side, so that the recurrence vectorises */
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

/* Rows are read in whole vectors. Where taps is no multiple of LANES the last vector overlaps the one before and has zeros
 * there, so that nothing outside x[0 .. taps) is read. */
static void store_row(wt_bank *bank, uint32_t index, const double *row)
{
    uint32_t whole = bank->taps / LANES * LANES, pad = bank->stride - bank->taps;
    for (uint32_t k = 0; k < bank->stride; k++) {
        double value = k < whole ? row[k] : k < whole + pad ? 0.0 : row[k - pad];
        if (bank->wide)
            ((double *)bank->rows)[(size_t)index * bank->stride + k] = value;
        else
            ((float *)bank->rows)[(size_t)index * bank->stride + k] = (float)value;
    }
}

wt_bank *wt_bank_new(uint32_t in_rate, uint32_t out_rate, wt_quality quality)
{
    wt_bank *bank = calloc(1, sizeof *bank);
    if (!bank) return NULL;
    uint32_t divisor = greatest_common_divisor(in_rate, out_rate), low_rate = in_rate < out_rate ? in_rate : out_rate;
    bank->up = out_rate / divisor;
    bank->down = in_rate / divisor;
    bank->taps = 2;
    if (in_rate == out_rate) return bank; /* wt_polyphase copies */

    prototype p = choose_prototype(quality, low_rate);
    double scale = (double)low_rate / in_rate;
    /* Rounded up, in integers: what the support needs. */
    bank->taps = 2 * (uint32_t)(((uint64_t)p.half * in_rate + low_rate - 1) / low_rate);
    bank->stride = (bank->taps + LANES - 1) / LANES * LANES;
    bank->wide = quality == WT_BEST;
    if ((uint64_t)bank->up * bank->stride > MAX_VALUES) bank->phases = (uint32_t)(DENSE * scale) + 1;
    uint32_t rows = bank->phases ? bank->phases + 3 : bank->up;
    bank->rows = malloc((size_t)rows * bank->stride * (bank->wide ? sizeof(double) : sizeof(float)));
    double *row = malloc(bank->stride * sizeof *row);
    if (!bank->rows || !row) {
        free(row);
        wt_bank_free(bank);
        return NULL;
    }
    for (uint32_t i = 0; i < rows; i++) {
        sample_row(p, scale, bank->phases ? ((double)i - 1.0) / bank->phases : (double)i / bank->up, bank->taps, row);
        store_row(bank, i, row);
    }
    free(row);
    return bank;
}

void wt_bank_free(wt_bank *bank)
{
    if (!bank) return;
    free(bank->rows);
    free(bank);
}

uint32_t wt_bank_up(const wt_bank *bank) { return bank->up; }
uint32_t wt_bank_down(const wt_bank *bank) { return bank->down; }
uint32_t wt_bank_taps(const wt_bank *bank) { return bank->taps; }

/* Eight partial sums added in one fixed order: the same bits from every compiler and instruction set. */
#define SUM_LANES(s) ((((s)[0] + (s)[4]) + ((s)[2] + (s)[6])) + (((s)[1] + (s)[5]) + ((s)[3] + (s)[7])))

static float dot_float(const float *row, const float *x, uint32_t taps, uint32_t stride)
{
    float sums[LANES] = {0};
    for (uint32_t k = 0; k + LANES <= taps; k += LANES)
        for (int lane = 0; lane < LANES; lane++) sums[lane] += row[k + lane] * x[k + lane];
    if (stride != taps)
        for (int lane = 0; lane < LANES; lane++) sums[lane] += row[stride - LANES + lane] * x[taps - LANES + lane];
    return SUM_LANES(sums);
}

static double dot_double(const double *row, const float *x, uint32_t taps, uint32_t stride)
{
    double sums[LANES] = {0};
    for (uint32_t k = 0; k + LANES <= taps; k += LANES)
        for (int lane = 0; lane < LANES; lane++) sums[lane] += row[k + lane] * (double)x[k + lane];
    if (stride != taps)
        for (int lane = 0; lane < LANES; lane++)
            sums[lane] += row[stride - LANES + lane] * (double)x[taps - LANES + lane];
    return SUM_LANES(sums);
}

static double dot(const wt_bank *bank, uint32_t row, const float *x)
{
    if (bank->wide) return dot_double((double *)bank->rows + (size_t)row * bank->stride, x, bank->taps, bank->stride);
    return dot_float((float *)bank->rows + (size_t)row * bank->stride, x, bank->taps, bank->stride);
}

/* Cubic Lagrange interpolation between four neighbouring rows. */
static double dot_between(const wt_bank *bank, uint32_t phase, const float *x)
{
    uint64_t position = (uint64_t)phase * bank->phases;
    uint32_t row = (uint32_t)(position / bank->up); /* the row before the one at or below the phase */
    double u = (double)(position % bank->up) / bank->up;
    return dot(bank, row, x) * (-u * (u - 1) * (u - 2) / 6) + dot(bank, row + 1, x) * ((u + 1) * (u - 1) * (u - 2) / 2) +
           dot(bank, row + 2, x) * (-(u + 1) * u * (u - 2) / 2) + dot(bank, row + 3, x) * ((u + 1) * u * (u - 1) / 6);
}

uint64_t wt_polyphase(const wt_bank *bank, const float *x, uint32_t phase, float *y, size_t count)
{
    uint64_t end = phase + (uint64_t)count * bank->down;
    if (bank->up == bank->down) {
        memcpy(y, x, count * sizeof *y);
        return end;
    }
    uint32_t whole = bank->down / bank->up, rest = bank->down % bank->up;
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
