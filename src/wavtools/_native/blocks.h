/* Resampling of a long signal in large blocks by FFT: less work for each output than the polyphase sum of products, for
 * the simple ratios, at the price of a long delay. The same filters; another order of rounding.
 *
 * Thread: one per wt_blocks. Allocates at creation only.
 */
#ifndef WT_BLOCKS_H
#define WT_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#include "polyphase.h"

typedef struct wt_blocks wt_blocks;

/* For a bank whose ratio suits (up to 4 outputs to 1 or 2 inputs, single precision); NULL if not, or if memory is short.
 * The bank must outlive it. */
wt_blocks *wt_blocks_new(const wt_bank *bank);
void wt_blocks_free(wt_blocks *blocks);

/* Input frames a block looks at, and by how many the next block starts later. */
size_t wt_blocks_reach(const wt_blocks *blocks);
size_t wt_blocks_step(const wt_blocks *blocks);
/* Output frames of a block: step * up / down. */
size_t wt_blocks_frames(const wt_blocks *blocks);

/* One block. x[0] is taps / 2 - 1 input samples before the first output, which has phase 0. */
void wt_blocks_run(wt_blocks *blocks, const float *x, float *y);

#endif
