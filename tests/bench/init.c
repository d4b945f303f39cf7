/* SPDX-License-Identifier: MIT */
/*
 * The first process of the guests of bench_boot.c: it says that it is there, and waits until the
 * VM is ended from outside. Without a C library: the initial RAM disk is a few kB, and its
 * unpacking does not count.
 */
#include <sys/syscall.h>

#define MARKER "bench: init\n"

void _start(void);

static long call(long number, long a, long b, long c)
{
#if defined(__x86_64__)
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
#else
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
#endif
}

void _start(void)
{
    const long a_day[2] = {86400, 0};
    call(SYS_write, 1, (long)MARKER, sizeof MARKER - 1);
    for (;;)
        call(SYS_nanosleep, (long)a_day, 0, 0);
}
