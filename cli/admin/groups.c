/* groups.c - dfs groups: which groups the NameNode knows users by. Thread: main's. */
#include <stdlib.h>

#include "cli/admin/internal.h"

static int complain(const char *text)
{
    fprintf(stderr, "groups: %.*s\n", (int)strcspn(text, "\n"), text);
    return 1;
}

static int show(struct dfs *dfs, const char *user)
{
    char *groups;
    struct dfs_error error = {0};
    if (dfs_groups_of(dfs, user, &groups, &error) != 0)
        return complain(error.text);
    printf("%s :%s%s\n", user, groups[0] == '\0' ? "" : " ", groups);
    free(groups);
    return 0;
}

int groups_run(struct stores *stores, int argc, char **argv)
{
    struct store *store;
    struct err err = {0};
    if (argc > 0 && (strcmp(argv[0], "-help") == 0 || strcmp(argv[0], "-h") == 0 ||
                     strcmp(argv[0], "--help") == 0)) {
        puts("Usage: hdfs groups [username ...]");
        return 0;
    }
    if (stores_default(stores, &store, &err) != 0)
        return complain(err.text);
    struct dfs *dfs = store_dfs(store);
    if (dfs == NULL)
        return complain("the default file system is not HDFS");
    if (argc == 0)
        return show(dfs, dfs_user(dfs));
    for (int i = 0; i < argc; i++)
        if (show(dfs, argv[i]) != 0)
            return 1;
    return 0;
}
