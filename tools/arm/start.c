/* What a Cortex-M does before main, for QEMU's MPS2 boards: vectors, the FPU, and newlib's semihosting. */
#include <stdint.h>
#include <stdlib.h>

extern char bss_start[], bss_end[];
extern void stack_top(void); /* an address, not a function */
extern int main(void);
extern void initialise_monitor_handles(void);
void reset(void);

void reset(void)
{
#if defined(__ARM_FP) && !defined(__SOFTFP__)
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* CPACR: full access to the FPU */
    __asm volatile("dsb\n isb");
#endif
    for (char *at = bss_start; at < bss_end; at++) {
        *at = 0;
    }
    initialise_monitor_handles();
    exit(main());
}

static void fault(void)
{
    exit(3);
}

__attribute__((section(".vectors"), used)) static void (*const vectors[8])(void) = {
    stack_top, reset, fault, fault, fault, fault, fault, fault,
};
