/* Vectors of four, eight and sixteen floats for the bodies in kernels.inc, in a form for each compiler and processor.
 *
 * All forms give the same bits: every operation is one IEEE operation per lane, and every sum has one fixed order.
 *
 * Thread: any; stateless.
 */
#ifndef WT_VEC8_H
#define WT_VEC8_H

#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER) && !defined(__clang__)
#define WT_INLINE static __forceinline
#else
#define WT_INLINE static inline __attribute__((always_inline))
#endif

/* Asks for the cache line of x, which need not exist. */
#if defined(__GNUC__)
#define WT_PREFETCH(x) __builtin_prefetch(x)
#else
#define WT_PREFETCH(x) ((void)(x))
#endif

/* Keeps a vector in a register: GCC may load it again for each use, though loads are what the filters wait for. */
#if defined(WT_WIDE) && defined(__GNUC__) && !defined(WT_PLAIN)
#define WT_IN_REGISTER(v) __asm__("" : "+v"(v))
#elif defined(__SSE2__) && defined(__GNUC__) && !defined(WT_PLAIN)
#define WT_IN_REGISTER(v) __asm__("" : "+x"((v).low), "+x"((v).high))
#else
#define WT_IN_REGISTER(v) ((void)(v))
#endif

/* GCC and Clang have vector types. WT_PLAIN disables them, so that tests can run the code for other compilers. */
#if defined(__GNUC__) && !defined(WT_PLAIN)
#define WT_VECTORS
#else
#undef WT_WIDE
#endif

#if defined(WT_VECTORS)
typedef float v4 __attribute__((vector_size(16)));
/* A vector of four lanes by index: 0 to 3 are those of a, 4 to 7 those of b. */
#if defined(__clang__) || __GNUC__ >= 12
#define v4_pick(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define v4_pick(a, b, i, j, k, l) __builtin_shuffle(a, b, (int32_t __attribute__((vector_size(16)))){i, j, k, l})
#endif
WT_INLINE v4 v4_add(v4 a, v4 b) { return a + b; }
WT_INLINE v4 v4_sub(v4 a, v4 b) { return a - b; }
WT_INLINE v4 v4_mul(v4 a, v4 b) { return a * b; }
WT_INLINE v4 v4_set(float x) { return (v4){x, x, x, x}; }
#else
typedef struct { float lane[4]; } v4;
WT_INLINE v4 v4_pick(v4 a, v4 b, int i, int j, int k, int l)
{
    float both[8];
    memcpy(both, &a, 16);
    memcpy(both + 4, &b, 16);
    return (v4){{both[i], both[j], both[k], both[l]}};
}
#define V4_OPERATION(name, op)                                           \
    WT_INLINE v4 name(v4 a, v4 b)                                        \
    {                                                                    \
        for (int i = 0; i < 4; i++) a.lane[i] = a.lane[i] op b.lane[i];  \
        return a;                                                        \
    }
V4_OPERATION(v4_add, +)
V4_OPERATION(v4_sub, -)
V4_OPERATION(v4_mul, *)
WT_INLINE v4 v4_set(float x) { return (v4){{x, x, x, x}}; }
#endif

#if defined(WT_WIDE) /* one 256-bit register */
typedef float v8 __attribute__((vector_size(32)));
WT_INLINE v8 v8_add(v8 a, v8 b) { return a + b; }
WT_INLINE v8 v8_sub(v8 a, v8 b) { return a - b; }
WT_INLINE v8 v8_mul(v8 a, v8 b) { return a * b; }
WT_INLINE v8 v8_set(float x) { return (v8){x, x, x, x, x, x, x, x}; }
#if defined(__clang__) || __GNUC__ >= 12
WT_INLINE v4 v8_low(v8 v) { return __builtin_shufflevector(v, v, 0, 1, 2, 3); }
WT_INLINE v4 v8_high(v8 v) { return __builtin_shufflevector(v, v, 4, 5, 6, 7); }
WT_INLINE v8 v8_join(v4 a, v4 b) { return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7); }
#define v8_pick(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define v8_pick(a, b, ...) __builtin_shuffle(a, b, (int32_t __attribute__((vector_size(32)))){__VA_ARGS__})
WT_INLINE v4 v8_low(v8 v) { return (v4){v[0], v[1], v[2], v[3]}; }
WT_INLINE v4 v8_high(v8 v) { return (v4){v[4], v[5], v[6], v[7]}; }
WT_INLINE v8 v8_join(v4 a, v4 b) { return (v8){a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]}; }
#endif
#else /* two 128-bit registers; or, without vector types, plain C */
typedef struct { v4 low, high; } v8;
WT_INLINE v8 v8_add(v8 a, v8 b) { return (v8){v4_add(a.low, b.low), v4_add(a.high, b.high)}; }
WT_INLINE v8 v8_sub(v8 a, v8 b) { return (v8){v4_sub(a.low, b.low), v4_sub(a.high, b.high)}; }
WT_INLINE v8 v8_mul(v8 a, v8 b) { return (v8){v4_mul(a.low, b.low), v4_mul(a.high, b.high)}; }
WT_INLINE v8 v8_set(float x) { return (v8){v4_set(x), v4_set(x)}; }
WT_INLINE v4 v8_low(v8 v) { return v.low; }
WT_INLINE v4 v8_high(v8 v) { return v.high; }
WT_INLINE v8 v8_join(v4 a, v4 b) { return (v8){a, b}; }
#endif

WT_INLINE v4 v4_load(const float *x) { v4 v; memcpy(&v, x, 16); return v; }
WT_INLINE void v4_store(float *x, v4 v) { memcpy(x, &v, 16); }
#if defined(WT_WIDE)
WT_INLINE v8 v8_load(const float *x) { v8 v; memcpy(&v, x, 32); return v; }
WT_INLINE void v8_store(float *x, v8 v) { memcpy(x, &v, 32); }
#else
WT_INLINE v8 v8_load(const float *x) { return v8_join(v4_load(x), v4_load(x + 4)); }
WT_INLINE void v8_store(float *x, v8 v)
{
    v4_store(x, v8_low(v));
    v4_store(x + 4, v8_high(v));
}
#endif

/* Transposes a matrix of four rows. */
WT_INLINE void v4_transpose(v4 *a, v4 *b, v4 *c, v4 *d)
{
    v4 ab_low = v4_pick(*a, *b, 0, 4, 1, 5), ab_high = v4_pick(*a, *b, 2, 6, 3, 7);
    v4 cd_low = v4_pick(*c, *d, 0, 4, 1, 5), cd_high = v4_pick(*c, *d, 2, 6, 3, 7);
    *a = v4_pick(ab_low, cd_low, 0, 1, 4, 5);
    *b = v4_pick(ab_low, cd_low, 2, 3, 6, 7);
    *c = v4_pick(ab_high, cd_high, 0, 1, 4, 5);
    *d = v4_pick(ab_high, cd_high, 2, 3, 6, 7);
}

WT_INLINE void v8_transpose(v8 v[8])
{
    v4 low[8], high[8];
    for (int i = 0; i < 8; i++) {
        low[i] = v8_low(v[i]);
        high[i] = v8_high(v[i]);
    }
    for (int i = 0; i < 8; i += 4) {
        v4_transpose(&low[i], &low[i + 1], &low[i + 2], &low[i + 3]);
        v4_transpose(&high[i], &high[i + 1], &high[i + 2], &high[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        v[i] = v8_join(low[i], low[i + 4]);
        v[i + 4] = v8_join(high[i], high[i + 4]);
    }
}

/* The sums of the eight lanes of a, b, c and d: ((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7)). */
WT_INLINE v4 v8_sum_lanes(v8 a, v8 b, v8 c, v8 d)
{
#if defined(WT_WIDE)
    /* Two at a time, one in each half of a register. */
    v8 ac = v8_add(v8_pick(a, c, 0, 1, 2, 3, 8, 9, 10, 11), v8_pick(a, c, 4, 5, 6, 7, 12, 13, 14, 15));
    v8 bd = v8_add(v8_pick(b, d, 0, 1, 2, 3, 8, 9, 10, 11), v8_pick(b, d, 4, 5, 6, 7, 12, 13, 14, 15));
    v8 sums = v8_add(v8_pick(ac, bd, 0, 1, 8, 9, 4, 5, 12, 13), v8_pick(ac, bd, 2, 3, 10, 11, 6, 7, 14, 15));
    v4 ab = v8_low(sums), cd = v8_high(sums);
    return v4_add(v4_pick(ab, cd, 0, 2, 4, 6), v4_pick(ab, cd, 1, 3, 5, 7));
#else
    v4 s = v4_add(v8_low(a), v8_high(a)), t = v4_add(v8_low(b), v8_high(b));
    v4 u = v4_add(v8_low(c), v8_high(c)), w = v4_add(v8_low(d), v8_high(d));
    v4_transpose(&s, &t, &u, &w);
    return v4_add(v4_add(s, u), v4_add(t, w));
#endif
}

#if defined(WT_WIDEST) /* one 512-bit register */
typedef float v16 __attribute__((vector_size(64)));
WT_INLINE v16 v16_add(v16 a, v16 b) { return a + b; }
WT_INLINE v16 v16_mul(v16 a, v16 b) { return a * b; }
WT_INLINE v16 v16_zero(void) { return (v16){0}; }
WT_INLINE v16 v16_load(const float *x) { v16 v; memcpy(&v, x, 64); return v; }
WT_INLINE v8 v16_add_halves(v16 v)
{
    v8 halves[2];
    memcpy(halves, &v, 64);
    return v8_add(halves[0], halves[1]);
}
#else
typedef struct { v8 low, high; } v16;
WT_INLINE v16 v16_add(v16 a, v16 b) { return (v16){v8_add(a.low, b.low), v8_add(a.high, b.high)}; }
WT_INLINE v16 v16_mul(v16 a, v16 b) { return (v16){v8_mul(a.low, b.low), v8_mul(a.high, b.high)}; }
WT_INLINE v16 v16_zero(void) { return (v16){v8_set(0.0f), v8_set(0.0f)}; }
WT_INLINE v16 v16_load(const float *x) { return (v16){v8_load(x), v8_load(x + 8)}; }
WT_INLINE v8 v16_add_halves(v16 v) { return v8_add(v.low, v.high); }
#endif

#endif
