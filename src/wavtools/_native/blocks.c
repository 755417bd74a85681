/* The block convolution of blocks.h by FFT (overlap-save), with one filter for each phase of the output.
 *
 * Thread: one at a time per wt_blocks.
 */
#include "blocks.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

/* Input samples of a block. Each block computes as many outputs in vain as the filter has taps, 102 to 288. */
#define SIZE 8192u
#define HALF (SIZE / 2)
/* Room for HALF + 1 bins; no power of two, which would put the arrays on the same cache lines. */
#define BINS (HALF + 32)

struct wt_blocks {
    const wt_kernels *kernels;
    const wt_bank *bank;
    uint32_t up, down;
    uint32_t turns;                   /* outputs of each phase in a block */
    const wt_fft *forward, *backward; /* of SIZE and of SIZE / down samples */
    float *filters;                   /* up times: BINS real, BINS imaginary */
    float *re, *im, *back, *line, *work;
    float *memory;
};

wt_blocks *wt_blocks_new(const wt_bank *bank)
{
    uint32_t up = wt_bank_up(bank), down = wt_bank_down(bank), taps = wt_bank_taps(bank);
    if (up > 4 || down > 2 || up == down || taps > HALF || !wt_bank_row(bank, 0, NULL)) return NULL;
    wt_blocks *blocks = calloc(1, sizeof *blocks);
    if (!blocks) return NULL;
    blocks->kernels = wt_kernels_select();
    blocks->bank = bank;
    blocks->up = up;
    blocks->down = down;
    blocks->turns = (SIZE - taps - down) / down;
    blocks->forward = wt_fft_plan(SIZE);
    blocks->backward = wt_fft_plan(SIZE / down);
    blocks->memory = calloc(((size_t)up + 2) * 2 * BINS + SIZE + WT_FFT_WORK(SIZE), sizeof(float));
    if (!blocks->kernels || !blocks->forward || !blocks->backward || !blocks->memory) {
        wt_blocks_free(blocks);
        return NULL;
    }
    blocks->filters = blocks->memory;
    blocks->re = blocks->filters + (size_t)up * 2 * BINS;
    blocks->im = blocks->re + BINS;
    blocks->back = blocks->im + BINS;
    blocks->line = blocks->back + 2 * BINS;
    blocks->work = blocks->line + SIZE;
    for (uint32_t r = 0; r < up; r++) {
        /* Output r of each group reads r * down / up samples later than output 0: its filter is shifted by as many. */
        memset(blocks->line, 0, SIZE * sizeof(float));
        wt_bank_row(bank, r * down % up, blocks->line + r * down / up);
        float *filter = blocks->filters + (size_t)r * 2 * BINS;
        blocks->kernels->real_fft(blocks->forward, blocks->line, NULL, blocks->work, filter, filter + BINS);
    }
    return blocks;
}

void wt_blocks_free(wt_blocks *blocks)
{
    if (!blocks) return;
    free(blocks->memory);
    free(blocks);
}

size_t wt_blocks_reach(const wt_blocks *blocks)
{
    (void)blocks;
    return SIZE;
}

size_t wt_blocks_step(const wt_blocks *blocks) { return (size_t)blocks->turns * blocks->down; }
size_t wt_blocks_frames(const wt_blocks *blocks) { return (size_t)blocks->turns * blocks->up; }

/* The Hartley transform (real part minus imaginary part) of the correlation of x and the filter, from their spectra. If only
 * every other value of the correlation is needed (down is 2), the second half of the transform is added to the first. */
static void correlate(const float *restrict x_re, const float *restrict x_im, const float *restrict h_re,
                      const float *restrict h_im, float *restrict line, uint32_t down)
{
    if (down == 1) {
        /* Bins 0 and HALF are real. */
        line[0] = x_re[0] * h_re[0];
        line[HALF] = x_re[HALF] * h_re[HALF];
        float *mirror = line + SIZE;
        for (uint32_t k = 1; k < HALF; k++) {
            float re = x_re[k] * h_re[k] + x_im[k] * h_im[k], im = x_im[k] * h_re[k] - x_re[k] * h_im[k];
            line[k] = re - im;
            mirror[-(ptrdiff_t)k] = re + im;
        }
        return;
    }
    line[0] = x_re[0] * h_re[0] + x_re[HALF] * h_re[HALF];
    float re[HALF / 2], im[HALF / 2];
    for (uint32_t k = 1; k < HALF / 2; k++) {
        re[k] = x_re[k] * h_re[k] + x_im[k] * h_im[k] + (x_re[HALF - k] * h_re[HALF - k] + x_im[HALF - k] * h_im[HALF - k]);
        im[k] = x_im[k] * h_re[k] - x_re[k] * h_im[k] - (x_im[HALF - k] * h_re[HALF - k] - x_re[HALF - k] * h_im[HALF - k]);
    }
    for (uint32_t k = 1; k < HALF / 2; k++) {
        line[k] = re[k] - im[k];
        line[HALF - k] = re[k] + im[k];
    }
    line[HALF / 2] = 2.0f * (x_re[HALF / 2] * h_re[HALF / 2] + x_im[HALF / 2] * h_im[HALF / 2]);
}

/* The signal into every `up`-th value of y. The Hartley transform is its own inverse, except for a scale: re - im of the
 * transform of `line`. */
static void unfold(const float *restrict re, const float *restrict im, float *restrict y, uint32_t half, uint32_t turns,
                   uint32_t up)
{
    const float scale = 1.0f / (float)SIZE;
    uint32_t first = turns < half ? turns : half;
    const float *mirror_re = re + 2 * half, *mirror_im = im + 2 * half;
    if (up == 1) {
        for (uint32_t n = 0; n < first; n++) y[n] = (re[n] - im[n]) * scale;
        for (ptrdiff_t n = first; n < (ptrdiff_t)turns; n++) y[n] = (mirror_re[-n] + mirror_im[-n]) * scale;
        return;
    }
    for (uint32_t n = 0; n < first; n++) y[(size_t)n * up] = (re[n] - im[n]) * scale;
    for (ptrdiff_t n = first; n < (ptrdiff_t)turns; n++)
        y[(size_t)n * up] = (mirror_re[-n] + mirror_im[-n]) * scale;
}

static int all_finite(const float *x, uint32_t count)
{
    int bad = 0;
    for (uint32_t i = 0; i < count; i++) bad |= !(fabsf(x[i]) <= FLT_MAX);
    return !bad;
}

void wt_blocks_run(wt_blocks *blocks, const float *x, float *y)
{
    /* An FFT would spread a NaN over the whole block, a sum only over the filter's length. */
    if (!all_finite(x, SIZE)) {
        wt_polyphase(blocks->bank, x, 0, y, wt_blocks_frames(blocks));
        return;
    }
    float *back_re = blocks->back, *back_im = blocks->back + BINS;
    blocks->kernels->real_fft(blocks->forward, x, NULL, blocks->work, blocks->re, blocks->im);
    for (uint32_t r = 0; r < blocks->up; r++) {
        const float *filter = blocks->filters + (size_t)r * 2 * BINS;
        correlate(blocks->re, blocks->im, filter, filter + BINS, blocks->line, blocks->down);
        blocks->kernels->real_fft(blocks->backward, blocks->line, NULL, blocks->work, back_re, back_im);
        unfold(back_re, back_im, y + r, SIZE / blocks->down / 2, blocks->turns, blocks->up);
    }
}
