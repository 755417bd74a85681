/* Plans for the FFT of real samples: tables for each power of two from 32 to 32768. The transform is in fft.inc.
 *
 * Thread: any; a plan never changes.
 * Real-time: wt_fft_plan may allocate; wt_kernels.real_fft does not.
 */
#ifndef WT_FFT_H
#define WT_FFT_H

#include <stdint.h>

typedef struct wt_fft {
    uint32_t size;    /* real samples, 32 to 32768, a power of two */
    uint32_t columns; /* length of each of the 8 interleaved complex FFTs; 0 for sizes under 128 */
    float *column_twiddles; /* for each stage: cos, sin of the powers that its butterflies multiply by */
    float *cross_twiddles;  /* for 8 outputs at a time: 7 x (8 cos, 8 sin) */
    float *real_twiddles;   /* cos, then sin, of 2 pi k / size, k < size / 4 + 8 */
    void *memory;           /* of the tables */
} wt_fft;

/* Floats of work space that real_fft needs. */
#define WT_FFT_PAD 80
#define WT_FFT_WORK(size) (2 * (size_t)(size) + 5 * WT_FFT_PAD)

/* The plan for a size: made at its first use, shared by all threads and never freed (all sizes together take 400 KB).
 * NULL if memory is short. May allocate, so do not call it in a callback. Never waits. */
const wt_fft *wt_fft_plan(uint32_t size);

#endif
