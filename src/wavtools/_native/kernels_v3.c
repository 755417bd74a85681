/* The kernels for x86-64-v3 processors (AVX2), made since 2013 (Intel) and 2015 (AMD). Empty for other processors.
 *
 * Thread: any; stateless.
 */
#include <math.h>
#include <string.h>
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

#include "kernels.h"

/* System headers are included before this: their inline functions must run on every processor. */
#if defined(__x86_64__) && defined(__GNUC__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2"))), apply_to = function)
#else
#pragma GCC target("avx2,bmi,bmi2")
#endif

#define WT_WIDE
#define WT_SET wt_kernels_v3
#define WT_SET_NAME "x86-64-v3"
extern const wt_kernels WT_SET;

#include "kernels.inc"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
/* ISO C requires a declaration in every file. */
typedef int wt_kernels_v3_is_empty;
#endif
