/* Samples as files store them: integers of one to four bytes in either byte order, and floats, to the types of NumPy.
 *
 * Full scale is the whole width: an integer of three bytes fills the upper 24 bits of 32. Loads and stores name their bytes,
 * so they need no alignment and give the same on any processor. Inputs and outputs do not overlap.
 *
 * Thread: any; stateless.
 */
#ifndef WT_ENCODINGS_H
#define WT_ENCODINGS_H

#include <stddef.h>
#include <stdint.h>

/* How integers are stored. */
enum { WT_UNSIGNED_8, WT_SIGNED_8, WT_LITTLE_16, WT_BIG_16, WT_LITTLE_24, WT_BIG_24, WT_LITTLE_32, WT_BIG_32 };

static inline uint32_t wt_little_word(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint32_t wt_big_word(const uint8_t *p)
{
    return p[3] | (uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[0] << 24;
}

/* One stored integer in the upper bits of 32. */
static inline int32_t wt_wide(const uint8_t *p, int stored)
{
    switch (stored) {
    case WT_UNSIGNED_8: return (int32_t)((uint32_t)(p[0] ^ 0x80) << 24);
    case WT_SIGNED_8: return (int32_t)((uint32_t)p[0] << 24);
    case WT_LITTLE_16: return (int32_t)((uint32_t)p[0] << 16 | (uint32_t)p[1] << 24);
    case WT_BIG_16: return (int32_t)((uint32_t)p[1] << 16 | (uint32_t)p[0] << 24);
    case WT_LITTLE_24: return (int32_t)((uint32_t)p[0] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 24);
    case WT_BIG_24: return (int32_t)((uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[0] << 24);
    case WT_LITTLE_32: return (int32_t)wt_little_word(p);
    default: return (int32_t)wt_big_word(p);
    }
}

/* Four integers of three bytes: they are three whole words. */
static inline void wt_four_wide(const uint8_t *p, int stored, int32_t wide[4])
{
    if (stored == WT_LITTLE_24) {
        uint32_t a = wt_little_word(p), b = wt_little_word(p + 4), c = wt_little_word(p + 8);
        wide[0] = (int32_t)(a << 8);
        wide[1] = (int32_t)((a >> 24 | b << 8) << 8);
        wide[2] = (int32_t)((b >> 16 | c << 16) << 8);
        wide[3] = (int32_t)(c & 0xFFFFFF00u);
    } else {
        uint32_t a = wt_big_word(p), b = wt_big_word(p + 4), c = wt_big_word(p + 8);
        wide[0] = (int32_t)(a & 0xFFFFFF00u);
        wide[1] = (int32_t)((a << 24 | b >> 8) & 0xFFFFFF00u);
        wide[2] = (int32_t)((b << 16 | c >> 16) & 0xFFFFFF00u);
        wide[3] = (int32_t)(c << 8);
    }
}

static inline int32_t wt_to_int32(int32_t wide) { return wide; }
/* Rounded to the nearest; the largest values would round to 32768. */
static inline int16_t wt_to_int16(int32_t wide)
{
    int32_t rounded = ((wide >> 15) + 1) >> 1;
    return (int16_t)(rounded < 32767 ? rounded : 32767);
}
static inline float wt_to_float(int32_t wide) { return (float)wide * (1.0f / 2147483648.0f); }
static inline double wt_to_double(int32_t wide) { return (double)wide * (1.0 / 2147483648.0); }

#define WT_READ(type, name)                                                                                     \
    static inline void wt_read_##name##_as(const uint8_t *x, int stored, size_t width, type *out, size_t count)  \
    {                                                                                                            \
        size_t i = 0;                                                                                            \
        if (width == 3)                                                                                          \
            for (; i + 4 <= count; i += 4) {                                                                     \
                int32_t wide[4];                                                                                 \
                wt_four_wide(x + 3 * i, stored, wide);                                                           \
                for (int k = 0; k < 4; k++) out[i + k] = wt_to_##name(wide[k]);                                  \
            }                                                                                                    \
        for (; i < count; i++) out[i] = wt_to_##name(wt_wide(x + width * i, stored));                            \
    }                                                                                                            \
    /* A loop of its own for each way of storing. */                                                             \
    static void wt_read_##name(const uint8_t *x, int stored, type *out, size_t count)                            \
    {                                                                                                            \
        switch (stored) {                                                                                        \
        case WT_UNSIGNED_8: wt_read_##name##_as(x, WT_UNSIGNED_8, 1, out, count); break;                         \
        case WT_SIGNED_8: wt_read_##name##_as(x, WT_SIGNED_8, 1, out, count); break;                             \
        case WT_LITTLE_16: wt_read_##name##_as(x, WT_LITTLE_16, 2, out, count); break;                           \
        case WT_BIG_16: wt_read_##name##_as(x, WT_BIG_16, 2, out, count); break;                                 \
        case WT_LITTLE_24: wt_read_##name##_as(x, WT_LITTLE_24, 3, out, count); break;                           \
        case WT_BIG_24: wt_read_##name##_as(x, WT_BIG_24, 3, out, count); break;                                 \
        case WT_LITTLE_32: wt_read_##name##_as(x, WT_LITTLE_32, 4, out, count); break;                           \
        case WT_BIG_32: wt_read_##name##_as(x, WT_BIG_32, 4, out, count); break;                                 \
        }                                                                                                        \
    }

WT_READ(int16_t, int16)
WT_READ(int32_t, int32)
WT_READ(float, float)
WT_READ(double, double)

/* A float of full scale 1 as an integer of full scale `scale`: rounded to the nearest, halves to even; what is beyond is
 * clamped, NaN becomes 0. Adding 1.5 x 2^52 leaves the nearest integer in the low bits. */
static inline int32_t wt_integer_of(double value, double scale)
{
    const double magic = 6755399441055744.0;
    value = value == value ? value * scale : 0.0;
    value = value > -scale ? value : -scale;
    value = value < scale - 1.0 ? value : scale - 1.0;
    return (int32_t)(value + magic - magic);
}

#define WT_ROUND(from, type, name, scale)                                                                       \
    static void wt_##name(const from *x, type *out, size_t count)                                                \
    {                                                                                                            \
        for (size_t i = 0; i < count; i++) out[i] = (type)wt_integer_of((double)x[i], scale);                    \
    }

WT_ROUND(float, int16_t, float_to_int16, 32768.0)
WT_ROUND(float, int32_t, float_to_int32, 2147483648.0)
WT_ROUND(double, int16_t, double_to_int16, 32768.0)
WT_ROUND(double, int32_t, double_to_int32, 2147483648.0)

/* The upper 24 bits, rounded to the nearest, as three bytes, lowest first. */
static void wt_write_24(const int32_t *x, uint8_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int32_t rounded = ((x[i] >> 7) + 1) >> 1;
        rounded = rounded < 0x7FFFFF ? rounded : 0x7FFFFF;
        out[3 * i] = (uint8_t)rounded;
        out[3 * i + 1] = (uint8_t)(rounded >> 8);
        out[3 * i + 2] = (uint8_t)(rounded >> 16);
    }
}

#endif
