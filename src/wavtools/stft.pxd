"""Spectrograms for other compiled modules.

Thread: any; pure.
"""

# Compute *rows* spectra of n / 2 + 1 levels in dB; false if memory is short. Kind: INT16 or FLOAT32 of _buffers.
cdef bint fill_spectrogram(
    const void *source, int kind, Py_ssize_t samples, Py_ssize_t channels, Py_ssize_t length, Py_ssize_t step,
    Py_ssize_t n, double floor_db, float *out, Py_ssize_t rows,
) noexcept
