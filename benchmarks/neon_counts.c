/* Calls one kernel some times, for neon_counts.py to count its instructions under emulation.
 *
 * Thread: one.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

enum { CHUNK = 480, SIZE = 1024, TAPS = 126 };

static float x[4 * SIZE], y[4 * SIZE], rows[4 * 256], work[WT_FFT_WORK(SIZE)], re[SIZE], im[SIZE];
static int16_t pcm[CHUNK];
static uint8_t codes[CHUNK];

int main(int count, char **words)
{
    if (count != 3) return 2;
    const char *name = words[1];
    const wt_kernels *kernels = wt_kernels_select();
    const wt_fft *plan = wt_fft_plan(SIZE);
    if (!kernels || !plan) return 1;
    for (int i = 0; i < 4 * SIZE; i++) x[i] = (float)(i % 97) / 97.0f - 0.5f;
    for (int i = 0; i < 4 * 256; i++) rows[i] = (float)(i % 89) / 89.0f - 0.5f;
    for (int i = 0; i < CHUNK; i++) codes[i] = (uint8_t)i;
    for (int calls = atoi(words[2]); calls > 0; calls--) {
        if (!strcmp(name, "floats_to_pcm16")) kernels->floats_to_pcm16(x, pcm, CHUNK);
        if (!strcmp(name, "pcm16_to_floats")) kernels->pcm16_to_floats(pcm, y, CHUNK);
        if (!strcmp(name, "round_to_pcm16")) kernels->round_to_pcm16(x, pcm, CHUNK, 1);
        if (!strcmp(name, "floats_to_mono")) kernels->floats_to_mono(x, y, CHUNK, 2);
        if (!strcmp(name, "ulaw_to_pcm16")) kernels->ulaw_to_pcm16(codes, pcm, CHUNK);
        if (!strcmp(name, "alaw_to_pcm16")) kernels->alaw_to_pcm16(codes, pcm, CHUNK);
        if (!strcmp(name, "polyphase")) kernels->polyphase(rows, TAPS, 7, 8, x, 0, y, CHUNK / 2);
        if (!strcmp(name, "simple_polyphase")) kernels->simple_polyphase(rows, 2 * TAPS, 1, 2, x, 0, y, CHUNK / 2);
        if (!strcmp(name, "real_fft")) kernels->real_fft(plan, x, NULL, work, re, im);
        if (!strcmp(name, "smooth")) kernels->smooth(x, x + SIZE, y, CHUNK, 0.5f, 1e-3f);
        if (!strcmp(name, "decibels")) kernels->decibels(x + 2 * SIZE, y, CHUNK);
        if (!strcmp(name, "loudest")) y[0] = kernels->loudest(x, CHUNK);
    }
    return 0;
}
