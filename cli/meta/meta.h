/* meta.h - the commands on what is kept beside permissions. Door of cli/meta. */
#pragma once
#include "cli/shell/shell.h"

int cmd_getfacl(struct shell *sh, struct args *args, struct err *err);
int cmd_setfacl(struct shell *sh, struct args *args, struct err *err);
int cmd_getfattr(struct shell *sh, struct args *args, struct err *err);
int cmd_setfattr(struct shell *sh, struct args *args, struct err *err);
int cmd_count(struct shell *sh, struct args *args, struct err *err);
int cmd_df(struct shell *sh, struct args *args, struct err *err);
int cmd_du(struct shell *sh, struct args *args, struct err *err);
int cmd_create_snapshot(struct shell *sh, struct args *args, struct err *err);
int cmd_delete_snapshot(struct shell *sh, struct args *args, struct err *err);
int cmd_rename_snapshot(struct shell *sh, struct args *args, struct err *err);

/* ACL specs: "user:bob:rwx,default:group::r-x"; without permissions for -x. *ret to be freed with
 * acl_spec_free. */
struct acl_spec {
    struct dfs_acl_entry *items;
    size_t count;
};
must_use int acl_spec_parse(const char *text, bool permissions, struct acl_spec *ret,
                            struct err *err);
void acl_spec_free(struct acl_spec *spec);
/* All entries of a file with these permission bits: those that the bits stand for, too. The items
 * are borrowed from acl; to be freed with text_free. */
struct acl_spec acl_full(uint32_t mode, const struct dfs_acl *acl);

/* A value as it is written: "text", 0x6869, 0saGk= or plain text. *ret to be freed with text_free.
 */
must_use int xattr_value_parse(const char *text, char **ret, size_t *ret_size, struct err *err);
enum xattr_encoding { XATTR_TEXT, XATTR_HEX, XATTR_BASE64 };
/* To be freed with text_free; *ret_size bytes, for text may hold zeros. */
char *xattr_value_show(const void *value, size_t size, enum xattr_encoding encoding,
                       size_t *ret_size);
