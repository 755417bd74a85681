"""Resampling in large blocks by FFT (_native/blocks.h), for the extension compiled with blocks.c.

Thread: one at a time per wt_blocks.
"""

from libc.stddef cimport size_t

from wavtools._polyphase cimport wt_bank


cdef extern from "blocks.h" nogil:
    ctypedef struct wt_blocks:
        pass
    wt_blocks *wt_blocks_new(const wt_bank *bank)
    void wt_blocks_free(wt_blocks *blocks)
    size_t wt_blocks_reach(const wt_blocks *blocks)
    size_t wt_blocks_step(const wt_blocks *blocks)
    size_t wt_blocks_frames(const wt_blocks *blocks)
    void wt_blocks_run(wt_blocks *blocks, const float *x, float *y)
