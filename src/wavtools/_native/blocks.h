/* Resampling of a long signal in large blocks by FFT.
 *
 * For simple ratios this takes less work for each output than the polyphase sum of products, but has a long delay. The
 * filters are the same, the order of rounding is different.
 *
 * Thread: one at a time per wt_blocks. Allocates at creation only.
 */
#ifndef WT_BLOCKS_H
#define WT_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#include "polyphase.h"

typedef struct wt_blocks wt_blocks;

/* For a bank of a simple ratio (up to 4 outputs to 1 or 2 inputs) in single precision; NULL for another bank, or if memory
 * is short. The bank must outlive it. */
wt_blocks *wt_blocks_new(const wt_bank *bank);
void wt_blocks_free(wt_blocks *blocks);

/* Input frames that a block reads, and the input frames from the start of a block to the start of the next. */
size_t wt_blocks_reach(const wt_blocks *blocks);
size_t wt_blocks_step(const wt_blocks *blocks);
/* Output frames of a block: step * up / down. */
size_t wt_blocks_frames(const wt_blocks *blocks);

/* Computes one block. x[0] is taps / 2 - 1 input samples before the first output, which has phase 0. */
void wt_blocks_run(wt_blocks *blocks, const float *x, float *y);

#endif
