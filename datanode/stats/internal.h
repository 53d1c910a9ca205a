/* internal.h - what the files of datanode/stats share. */
#pragma once
#include "datanode/stats/stats.h"

/* series.c: as long as the series lives */
const char *series_name(const struct series *s);
