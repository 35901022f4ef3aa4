/* Instructions of a timestep: QEMU runs one instruction per nanosecond (-icount shift=0), and SysTick counts at 25 MHz. */
#include <stdint.h>
#include <stdio.h>

#include "net.c"

enum { STEPS = 200 };

int main(void)
{
    static net_state state;
    static NUMBER x[NET_INPUTS], y[NET_OUTPUTS];
    volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010;
    net_reset(&state);
    for (int k = 0; k < NET_INPUTS; k++) {
        x[k] = (NUMBER)0.25;
    }
    net_step(&state, x, y);
    systick[1] = 0xFFFFFF;
    systick[2] = 0;
    systick[0] = 5; /* on, with the processor's clock, no interrupt */
    uint32_t start = systick[2];
    for (int t = 0; t < STEPS; t++) {
        net_step(&state, x, y);
    }
    uint32_t ticks = (start - systick[2]) & 0xFFFFFF;
    printf("%lu\n", (unsigned long)(ticks * 40ull / STEPS));
    return 0;
}
