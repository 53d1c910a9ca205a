/* auth.h - who a user is and which groups it has. Door of common/auth. Thread-safe. */
#pragma once
#include "common/base/base.h"

struct conf;

/* The process's user: HADOOP_USER_NAME if set, else the name of the effective uid (its number when
 * it has none). */
must_use int auth_process_user(char *out, size_t size, struct err *err);

/* Fails with ERR_CONFIG when the configuration asks for a protection that isn't there: Kerberos,
 * block tokens, integrity or privacy of RPC, protection or encryption of the data port. The text
 * names key, value and remedy. Servers and clients call it before they do anything. */
must_use int auth_check_protection(const struct conf *conf, struct err *err);

/* Groups of users: hadoop.user.group.static.mapping.overrides first, then the system's databases
 * (NSS), remembered for hadoop.security.groups.cache.secs (unknown users for negative-cache.secs).
 */
struct groups;
must_use int groups_new(const struct conf *conf, struct groups **ret, struct err *err);
void groups_free(struct groups *g);
/* All but the static table is asked for anew. */
void groups_forget(struct groups *g);

struct group_list {
    const char *const *names; /* primary group first; in the arena that was given */
    size_t count;             /* 0: an unknown user */
};
/* From memory only, never blocks on a look-up; false: not known or too old, groups_find must be
 * asked. */
bool groups_cached(struct groups *g, const char *user, struct arena *arena, struct group_list *ret);
/* May block on NSS (files, LDAP). Fails for lack of memory only. */
must_use int groups_find(struct groups *g, const char *user, struct arena *arena,
                         struct group_list *ret);
