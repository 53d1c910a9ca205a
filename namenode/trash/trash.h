/* trash.h - names of the trash's checkpoints. Door of namenode/trash. Thread: any.
 * Times are in the process's time zone, as Hadoop's are. */
#pragma once
#include "common/base/base.h"

enum { TRASH_NAME_SIZE = 16 };

/* yyMMddHHmmss, or without the seconds as old Hadoops wrote it, and whatever follows; false: not
 * the name of a checkpoint. */
bool trash_time_of(struct slice name, int64_t *ret_ms);
void trash_name_of(int64_t ms, char out[TRASH_NAME_SIZE]);
