/* check.h - assertions that stay on.
 * CHECK: an invariant of ours is broken; a restart is safer than going on with bad memory.
 * DCHECK: the same for costly walks, compiled in with -DHADRON_DCHECK.
 * Never on bytes from outside: those get an error. */
#pragma once

_Noreturn void check_failed(const char *expr, const char *file, int line);

#define CHECK(x) ((x) ? (void)0 : check_failed(#x, __FILE__, __LINE__))
#ifdef HADRON_DCHECK
#define DCHECK(x) CHECK(x)
#else
#define DCHECK(x) ((void)sizeof(x))
#endif
