"""The resampler's filter banks in C (_native/polyphase.h), for the extensions compiled with polyphase.c.

Thread: any for wt_polyphase and the getters; control threads for wt_bank_new and wt_bank_free.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t


cdef extern from "polyphase.h" nogil:
    ctypedef struct wt_bank:
        pass
    ctypedef enum wt_quality:
        WT_FAST
        WT_HIGH
        WT_BEST
    wt_bank *wt_bank_new(uint32_t in_rate, uint32_t out_rate, wt_quality quality)
    void wt_bank_free(wt_bank *bank)
    uint32_t wt_bank_up(const wt_bank *bank)
    uint32_t wt_bank_down(const wt_bank *bank)
    uint32_t wt_bank_taps(const wt_bank *bank)
    uint64_t wt_polyphase(const wt_bank *bank, const float *x, uint32_t phase, float *y, size_t count)
