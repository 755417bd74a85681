/* The kernels for x86-64-v3 processors (AVX2), from 2013 and 2015 on. Empty elsewhere. */
#include <math.h>
#include <string.h>
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

#include "kernels.h"

/* System headers come before: what they define inline must run anywhere. */
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
typedef int wt_kernels_v3_is_empty; /* ISO C wants a declaration in every file */
#endif
