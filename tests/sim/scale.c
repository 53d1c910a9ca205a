/* scale.c */
#include "tests/sim/sim.h"
int scale_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 0;
}
