/* internal.h - what the files of common/xfer share. */
#pragma once
#include "common/xfer/xfer.h"

enum { XFER_FILL = 4096 }; /* one read ahead of what is known to come */

/* One read of what is there, at most XFER_FILL bytes. ERR_EOF, ERR_TIMEOUT. */
must_use int xfer_fill(struct xfer_in *in, struct err *err);
