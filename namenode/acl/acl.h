/* acl.h - changing an ACL: from the complete list that stands and the entries of a call to the new
 * complete list. Door of namenode/acl. Pure; no state, no lock.
 *
 * `old` is complete and sorted, as records carry it: owner, named users, group, named groups, mask,
 * other; then the same of the default scope. `spec` comes from outside in any order, with scopes,
 * types and accesses in range; its array is sorted in place. *ret lives in the arena, its names are
 * borrowed from both lists. Errors: ERR_ACL with Hadoop's text (without the path), ERR_NO_MEMORY.
 */
#pragma once
#include "namenode/journal/journal.h"

enum { ACL_MAX_ENTRIES = 32 }; /* in each scope */

typedef int acl_change(const struct edit_acl_list *old, struct edit_acl_list *spec,
                       struct arena *arena, struct edit_acl_list *ret, struct err *err);
/* Entries of spec replace those with the same scope, type and name, or are added. */
acl_change acl_merge;
/* Entries with scope, type and name of one in spec go; accesses don't matter. */
acl_change acl_remove;
/* The scopes that spec has entries of consist of those; the other stays. */
acl_change acl_replace;
/* Only the access scope stays; spec isn't looked at. */
acl_change acl_remove_defaults;
