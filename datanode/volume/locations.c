/* locations.c - the value of dfs.datanode.data.dir. Pure. */
#include <stdio.h>

#include "datanode/volume/volume.h"

/* "[SSD]" at *at, moved behind it. */
static int parse_type(const char **at, enum storage_type *ret, struct err *err)
{
    const char *text = *at, *end = strchr(text, ']');
    char name[16];
    if (end == NULL || (size_t)(end - text) > sizeof(name))
        return fail(err, ERR_CONFIG, "dfs.datanode.data.dir: %s has no valid storage type", text);
    snprintf(name, sizeof(name), "%.*s", (int)(end - text - 1), text + 1);
    int type = storage_type_of(name);
    if (type == 0)
        return fail(err, ERR_CONFIG, "dfs.datanode.data.dir: %s is not a storage type here", name);
    *ret = (enum storage_type)type;
    *at = end + 1;
    return 0;
}

static int parse(const char *text, struct volume_location *l, struct err *err)
{
    const char *at = text;
    l->type = STORAGE_DISK;
    if (*at == '[')
        TRY(parse_type(&at, &l->type, err));
    if (strncmp(at, "file:", 5) == 0) {
        at += 5;
        if (strncmp(at, "//", 2) == 0)
            at = strchr(at + 2, '/'); /* without the authority */
    }
    if (at == NULL || *at != '/' || strlen(at) >= VOLUME_PATH_MAX)
        return fail(err, ERR_CONFIG,
                    "dfs.datanode.data.dir: %s is not an absolute path of less than %d bytes", text,
                    VOLUME_PATH_MAX);
    snprintf(l->path, sizeof(l->path), "%s", at);
    for (size_t n = strlen(l->path); n > 1 && l->path[n - 1] == '/';)
        l->path[--n] = '\0';
    snprintf(l->text, sizeof(l->text), "%s", text);
    return 0;
}

static int take(char **items, size_t count, struct volume_location *out, struct err *err)
{
    if (count == 0 || count > STORE_MAX_VOLUMES)
        return fail(err, ERR_CONFIG, "dfs.datanode.data.dir has %zu folders, 1 to %d can be used",
                    count, STORE_MAX_VOLUMES);
    for (size_t i = 0; i < count; i++) {
        TRY(parse(items[i], &out[i], err));
        for (size_t k = 0; k < i; k++)
            if (strcmp(out[i].path, out[k].path) == 0)
                return fail(err, ERR_CONFIG, "dfs.datanode.data.dir: %s is there twice",
                            out[i].path);
    }
    return 0;
}

int volume_locations(const char *value, struct volume_location out[STORE_MAX_VOLUMES],
                     size_t *ret_count, struct err *err)
{
    char **items = NULL;
    size_t count = 0;
    int rc = conf_list(value, &items, &count);
    if (rc != 0)
        rc = fail(err, rc, "no memory for the list of volumes");
    else
        rc = take(items, count, out, err);
    conf_list_free(items, count);
    if (rc == 0)
        *ret_count = count;
    return rc;
}
