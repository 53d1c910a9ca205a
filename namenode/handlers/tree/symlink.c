/* symlink.c - symlinks: made only if the switch allows it, as in Hadoop. */
#include "namenode/handlers/call.h"

int fs_createSymlink(struct call *c)
{
    return fail(&c->err, ERR_UNSUPPORTED, "Symlinks not supported");
}
