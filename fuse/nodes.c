/* nodes.c - the part of the tree that the kernel holds numbers of. Thread: any; one lock.
 * Invariants: (1) a node lives while it is used or has children, so every node's path can be told;
 * (2) numbers are never used twice; (3) a removed node has no name but may still be used: its path
 * is -ENOENT, and so are those below it. */
#include <stdlib.h>
#include <string.h>

#include "fuse/internal.h"

enum { MAX_PATH_BYTES = 8000 }; /* as HDFS */

struct node {
    uint64_t id;
    struct node *parent; /* NULL: the root */
    char *key;       /* 8 bytes of the parent's id, then the name with NUL; the root: its path */
    size_t key_size; /* without the NUL */
    uint64_t uses, children;
    bool directory, removed, writing;
    uint64_t written;
    struct node_times times; /* set while writing */
    UT_hash_handle hh_id, hh_name;
};

static const char *node_name(const struct node *node)
{
    return node->key + sizeof(node->id);
}

static char *make_key(uint64_t parent, const char *name, size_t *ret_size)
{
    size_t length = strlen(name);
    char *key = malloc(sizeof(parent) + length + 1);
    if (key == NULL)
        return NULL;
    memcpy(key, &parent, sizeof(parent));
    memcpy(key + sizeof(parent), name, length + 1);
    *ret_size = sizeof(parent) + length;
    return key;
}

static struct node *find(const struct nodes *n, uint64_t id)
{
    struct node *node;
    HASH_FIND(hh_id, n->by_id, &id, sizeof(id), node);
    return node;
}

static struct node *find_child(const struct nodes *n, uint64_t parent, const char *name)
{
    size_t size;
    struct node *node = NULL;
    char *key = make_key(parent, name, &size);
    if (key != NULL)
        HASH_FIND(hh_name, n->by_name, key, size, node);
    free(key);
    return node;
}

static struct node *node_new(struct nodes *n, struct node *parent, const char *name)
{
    struct node *node = calloc(1, sizeof(*node));
    if (node == NULL)
        return NULL;
    node->key = make_key(parent != NULL ? parent->id : 0, name, &node->key_size);
    if (node->key == NULL) {
        free(node);
        return NULL;
    }
    node->id = n->next_id++;
    node->parent = parent;
    HASH_ADD(hh_id, n->by_id, id, sizeof(node->id), node);
    if (node->hh_id.tbl == NULL) {
        free(node->key);
        free(node);
        return NULL;
    }
    if (parent != NULL)
        parent->children++;
    return node;
}

static void take_name(struct nodes *n, struct node *node)
{
    HASH_ADD_KEYPTR(hh_name, n->by_name, node->key, node->key_size, node);
    if (node->hh_name.tbl == NULL) /* no memory: found by number only, as if it was removed */
        node->removed = true;
}

static void drop_name(struct nodes *n, struct node *node)
{
    if (!node->removed && node->parent != NULL)
        HASH_DELETE(hh_name, n->by_name, node);
    node->removed = true;
}

/* Frees the node and those above that were only kept for it: keeps (1). */
static void free_unused(struct nodes *n, struct node *node)
{
    while (node != n->root && node->uses == 0 && node->children == 0) {
        struct node *parent = node->parent;
        drop_name(n, node);
        HASH_DELETE(hh_id, n->by_id, node);
        free(node->key);
        free(node);
        parent->children--;
        node = parent;
    }
}

int nodes_init(struct nodes *n, const char *root_path)
{
    *n = (struct nodes){.next_id = FUSE_ROOT_ID};
    CHECK(pthread_mutex_init(&n->lock, NULL) == 0);
    n->root = node_new(n, NULL, root_path);
    if (n->root == NULL)
        return -ENOMEM;
    n->root->directory = true;
    return 0;
}

void nodes_fini(struct nodes *n)
{
    struct node *node, *next;
    HASH_CLEAR(hh_name, n->by_name);
    HASH_ITER(hh_id, n->by_id, node, next)
    {
        HASH_DELETE(hh_id, n->by_id, node);
        free(node->key);
        free(node);
    }
    pthread_mutex_destroy(&n->lock);
}

/* Builds the path from its end. */
static int build_path(const struct node *node, const char *name, char **ret_path)
{
    char text[MAX_PATH_BYTES + 1];
    size_t at = MAX_PATH_BYTES;
    text[at] = '\0';
    for (const char *part = name; node != NULL;) {
        if (part != NULL) {
            size_t length = strlen(part);
            if (length + 1 > at)
                return -ENAMETOOLONG;
            at -= length;
            memcpy(text + at, part, length);
            text[--at] = '/';
        }
        if (node->removed)
            return -ENOENT;
        part = node_name(node);
        if (node->parent == NULL) { /* the root's path begins with its own slash */
            size_t length = strlen(part);
            if (length > at)
                return -ENAMETOOLONG;
            at -= length;
            memcpy(text + at, part, length);
        }
        node = node->parent;
    }
    *ret_path = strdup(text[at] != '\0' ? text + at : "/");
    return *ret_path != NULL ? 0 : -ENOMEM;
}

int nodes_path(struct nodes *n, uint64_t id, const char *name, char **ret_path)
{
    pthread_mutex_lock(&n->lock);
    const struct node *node = find(n, id);
    int rc = node != NULL ? build_path(node, name, ret_path) : -ENOENT;
    pthread_mutex_unlock(&n->lock);
    return rc;
}

uint64_t nodes_use(struct nodes *n, uint64_t parent, const char *name, bool directory)
{
    pthread_mutex_lock(&n->lock);
    struct node *above = find(n, parent), *node = find_child(n, parent, name);
    if (node != NULL && node->directory != directory) {
        drop_name(n,
                  node); /* somebody else put a file in a folder's place, or the other way round */
        node = NULL;
    }
    if (node == NULL && above != NULL) {
        node = node_new(n, above, name);
        if (node != NULL) {
            node->directory = directory;
            take_name(n, node);
        }
    }
    uint64_t id = 0;
    if (node != NULL) {
        node->uses++;
        id = node->id;
    }
    pthread_mutex_unlock(&n->lock);
    return id;
}

void nodes_use_again(struct nodes *n, uint64_t id)
{
    pthread_mutex_lock(&n->lock);
    struct node *node = find(n, id);
    if (node != NULL)
        node->uses++;
    pthread_mutex_unlock(&n->lock);
}

void nodes_forget(struct nodes *n, uint64_t id, uint64_t uses)
{
    pthread_mutex_lock(&n->lock);
    struct node *node = find(n, id);
    if (node != NULL) {
        node->uses -= uses < node->uses ? uses : node->uses;
        free_unused(n, node);
    }
    pthread_mutex_unlock(&n->lock);
}

void nodes_removed(struct nodes *n, uint64_t parent, const char *name)
{
    pthread_mutex_lock(&n->lock);
    struct node *node = find_child(n, parent, name);
    if (node != NULL)
        drop_name(n, node);
    pthread_mutex_unlock(&n->lock);
}

/* With the lock. What can't be moved for lack of memory is as good as removed. */
static void move(struct nodes *n, struct node *node, struct node *to, const char *name)
{
    struct node *from = node->parent;
    drop_name(n, node);
    size_t size;
    char *key = make_key(to->id, name, &size);
    if (key == NULL)
        return;
    free(node->key);
    node->key = key;
    node->key_size = size;
    node->parent = to;
    to->children++;
    from->children--;
    node->removed = false;
    take_name(n, node);
    free_unused(n, from);
}

void nodes_renamed(struct nodes *n, uint64_t parent, const char *name, uint64_t new_parent,
                   const char *new_name)
{
    pthread_mutex_lock(&n->lock);
    struct node *node = find_child(n, parent, name), *to = find(n, new_parent);
    struct node *replaced = find_child(n, new_parent, new_name);
    if (replaced != NULL && replaced != node)
        drop_name(n, replaced);
    if (node != NULL && to != NULL && replaced != node)
        move(n, node, to, new_name);
    pthread_mutex_unlock(&n->lock);
}

int nodes_begin_write(struct nodes *n, uint64_t id)
{
    int rc = -ENOENT;
    pthread_mutex_lock(&n->lock);
    struct node *node = find(n, id);
    if (node != NULL) {
        rc = node->writing ? -EBUSY : 0;
        if (rc == 0) {
            node->writing = true;
            node->written = 0;
            node->times = (struct node_times){-1, -1};
        }
    }
    pthread_mutex_unlock(&n->lock);
    return rc;
}

void nodes_wrote(struct nodes *n, uint64_t id, uint64_t size)
{
    pthread_mutex_lock(&n->lock);
    struct node *node = find(n, id);
    if (node != NULL) {
        node->written = size;
        node->times = (struct node_times){-1, -1}; /* a write after it changes the time again */
    }
    pthread_mutex_unlock(&n->lock);
}

struct node_times nodes_end_write(struct nodes *n, uint64_t id)
{
    struct node_times times = {-1, -1};
    pthread_mutex_lock(&n->lock);
    struct node *node = find(n, id);
    if (node != NULL) {
        times = node->times;
        node->writing = false;
    }
    pthread_mutex_unlock(&n->lock);
    return times;
}

static bool written_size(const struct node *node, uint64_t *ret_size)
{
    if (node == NULL || !node->writing)
        return false;
    *ret_size = node->written;
    return true;
}

bool nodes_written_size(struct nodes *n, uint64_t id, uint64_t *ret_size)
{
    pthread_mutex_lock(&n->lock);
    bool writing = written_size(find(n, id), ret_size);
    pthread_mutex_unlock(&n->lock);
    return writing;
}

bool nodes_child_written_size(struct nodes *n, uint64_t parent, const char *name,
                              uint64_t *ret_size)
{
    pthread_mutex_lock(&n->lock);
    bool writing = written_size(find_child(n, parent, name), ret_size);
    pthread_mutex_unlock(&n->lock);
    return writing;
}

bool nodes_keep_times(struct nodes *n, uint64_t id, struct node_times times)
{
    pthread_mutex_lock(&n->lock);
    struct node *node = find(n, id);
    bool writing = node != NULL && node->writing;
    if (writing && times.modified_ms >= 0)
        node->times.modified_ms = times.modified_ms;
    if (writing && times.accessed_ms >= 0)
        node->times.accessed_ms = times.accessed_ms;
    pthread_mutex_unlock(&n->lock);
    return writing;
}

size_t nodes_count(struct nodes *n)
{
    pthread_mutex_lock(&n->lock);
    size_t count = HASH_CNT(hh_id, n->by_id);
    pthread_mutex_unlock(&n->lock);
    return count;
}
