/* topology.c - racks and distances. See nodes.h.
 * Thread: state. A rack is a path ("/dc1/rack7"); racks are never forgotten, empty ones don't
 * count. */
#include <stdlib.h>

#include "namenode/nodes/internal.h"

uint32_t rack_intern(struct nodes *n, const char *name)
{
    uint32_t known = nodes_find_rack(n, name);
    if (known != 0)
        return known;
    struct rack *racks = realloc(n->racks, ((size_t)n->rack_count + 1) * sizeof(*racks));
    if (racks == NULL)
        return 0;
    n->racks = racks;
    char *copy = strdup(name);
    if (copy == NULL)
        return 0;
    racks[n->rack_count] = (struct rack){.name = copy};
    return ++n->rack_count;
}

uint32_t nodes_find_rack(const struct nodes *n, const char *rack)
{
    for (uint32_t i = 0; i < n->rack_count; i++)
        if (strcmp(n->racks[i].name, rack) == 0)
            return i + 1;
    return 0;
}

uint32_t nodes_rack_changes(const struct nodes *n)
{
    return n->rack_changes;
}

uint32_t nodes_topology_version(const struct nodes *n)
{
    return n->topology_version;
}

uint32_t nodes_live_rack_count(const struct nodes *n)
{
    return n->live_rack_count;
}

int nodes_set_upgrade_domain(struct nodes *n, uint32_t i, const char *domain)
{
    struct node *node = nodes_at_mut(n, i);
    const char *old = node->upgrade_domain == NULL ? "" : node->upgrade_domain;
    const char *wanted = domain == NULL ? "" : domain;
    if (strcmp(old, wanted) == 0)
        return 0;
    char *copy = wanted[0] == '\0' ? NULL : strdup(wanted);
    if (wanted[0] != '\0' && copy == NULL)
        return ERR_NO_MEMORY;
    free(node->upgrade_domain);
    node->upgrade_domain = copy;
    n->topology_version++;
    return 0;
}

uint32_t rack_depth(const char *path)
{
    uint32_t count = 0;
    for (; *path != '\0'; path++)
        count += *path == '/';
    return count;
}

/* Leading components that two paths share. */
static uint32_t shared_components(const char *a, const char *b)
{
    uint32_t shared = 0;
    while (*a == '/' && *b == '/') {
        size_t size_a = strcspn(a + 1, "/"), size_b = strcspn(b + 1, "/");
        if (size_a != size_b || memcmp(a + 1, b + 1, size_a) != 0)
            break;
        shared++;
        a += size_a + 1;
        b += size_b + 1;
    }
    return shared;
}

static uint32_t rack_hops(const char *a, const char *b)
{
    return rack_depth(a) + rack_depth(b) - 2 * shared_components(a, b) + 2;
}

uint32_t nodes_distance(const struct nodes *n, uint32_t a, uint32_t b)
{
    if (a == b)
        return 0;
    const struct node *na = nodes_at(n, a), *nb = nodes_at(n, b);
    return na->rack_id == nb->rack_id ? 2 : rack_hops(na->rack, nb->rack);
}

uint32_t nodes_rack_distance(const struct nodes *n, uint32_t node, const char *rack)
{
    return rack == NULL ? UINT32_MAX : rack_hops(nodes_at(n, node)->rack, rack);
}
