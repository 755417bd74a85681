/* The FFT of real samples, for powers of two. Own form: see fft.inc.
 *
 * Thread: any; a plan never changes. Real-time: wt_kernels.real_fft allocates nothing.
 */
#ifndef WT_FFT_H
#define WT_FFT_H

#include <stdint.h>

typedef struct wt_fft {
    uint32_t size;    /* real samples, 32 to 32768, a power of two */
    uint32_t columns; /* complex FFT length over 8: the length of each of 8 interleaved FFTs; 0 for the small sizes */
    float *column_twiddles; /* stage after stage: cos, sin of the powers that its butterflies multiply by */
    float *cross_twiddles;  /* for 8 outputs at a time: 7 x (8 cos, 8 sin) */
    float *real_twiddles;   /* cos, then sin, of 2 pi k / size, k < size / 4 + 8 */
    void *memory;
} wt_fft;

/* Floats of work space real_fft needs. */
#define WT_FFT_PAD 80
#define WT_FFT_WORK(size) (2 * (size_t)(size) + 5 * WT_FFT_PAD)

/* A plan, or NULL if memory is short. Control threads only. */
wt_fft *wt_fft_new(uint32_t size);
void wt_fft_free(wt_fft *plan);

#endif
