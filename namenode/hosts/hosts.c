/* hosts.c - the lists and who matches them. See hosts.h.
 * Thread: the one that builds, then any. Owns all texts.
 * Invariant: index holds every address of every entry, in order, from hosts_seal on. */
#include <stdlib.h>

#include "namenode/hosts/internal.h"

struct hosts *hosts_new(void)
{
    return calloc(1, sizeof(struct hosts));
}

static void entry_fini(struct entry *e)
{
    free(e->name);
    free(e->upgrade_domain);
    for (size_t i = 0; i < e->address_count; i++)
        free(e->addresses[i]);
    free(e->addresses);
}

void hosts_free(struct hosts *h)
{
    if (h == NULL)
        return;
    for (size_t i = 0; i < h->count; i++)
        entry_fini(&h->entries[i]);
    free(h->entries);
    free(h->index);
    free(h);
}

int entry_add(struct hosts *h, struct entry *take_entry)
{
    if (h->count == h->capacity && h->count < HOSTS_MAX) {
        size_t capacity = h->capacity == 0 ? 64 : h->capacity * 2;
        struct entry *entries = realloc(h->entries, capacity * sizeof(*entries));
        if (entries != NULL) {
            h->entries = entries;
            h->capacity = capacity;
        }
    }
    if (take_entry->name == NULL || h->count == h->capacity) {
        entry_fini(take_entry);
        return ERR_NO_MEMORY;
    }
    h->restricts |= take_entry->includes && take_entry->wish == ADMIN_NORMAL;
    h->entries[h->count++] = *take_entry;
    return 0;
}

const char *shown(char out[SHOWN_MAX + 1], struct slice value)
{
    size_t n = value.size < SHOWN_MAX ? value.size : SHOWN_MAX;
    for (size_t i = 0; i < n; i++)
        out[i] = (char)(value.data[i] > ' ' && value.data[i] < 0x7f ? value.data[i] : '?');
    out[n] = '\0';
    return out;
}

/* Letters, digits, dots, hyphens, underscores; with colons when it is an address in brackets. */
int host_check(struct slice host)
{
    if (host.size == 0 || host.size > NODE_TEXT_MAX)
        return ERR_CONFIG;
    for (size_t i = 0; i < host.size; i++) {
        uint8_t c = host.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '-' && c != '_' && c != ':')
            return ERR_CONFIG;
    }
    return 0;
}

size_t hosts_count(const struct hosts *h)
{
    return h->count;
}

const char *hosts_name(const struct hosts *h, size_t entry)
{
    CHECK(entry < h->count);
    return h->entries[entry].name;
}

int hosts_add_address(struct hosts *h, size_t entry, const char *address)
{
    CHECK(entry < h->count);
    struct entry *e = &h->entries[entry];
    for (size_t i = 0; i < e->address_count; i++)
        if (strcmp(e->addresses[i], address) == 0)
            return 0;
    if (e->address_count >= HOSTS_ADDRESSES_MAX)
        return 0;
    char **addresses = realloc(e->addresses, (e->address_count + 1) * sizeof(*addresses));
    if (addresses == NULL)
        return ERR_NO_MEMORY;
    e->addresses = addresses;
    addresses[e->address_count] = strdup(address);
    if (addresses[e->address_count] == NULL)
        return ERR_NO_MEMORY;
    e->address_count++;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->address, y->address);
    return order != 0 ? order : (x->entry > y->entry) - (x->entry < y->entry);
}

int hosts_seal(struct hosts *h)
{
    size_t total = 0;
    for (size_t i = 0; i < h->count; i++)
        total += h->entries[i].address_count;
    struct named *index = calloc(total + 1, sizeof(*index));
    if (index == NULL)
        return ERR_NO_MEMORY;
    free(h->index);
    h->index = index;
    h->index_count = 0;
    for (size_t i = 0; i < h->count; i++)
        for (size_t k = 0; k < h->entries[i].address_count; k++)
            index[h->index_count++] = (struct named){h->entries[i].addresses[k], i};
    qsort(index, total, sizeof(*index), compare);
    return 0;
}

static size_t first_of(const struct hosts *h, const char *address)
{
    size_t low = 0, high = h->index_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(h->index[middle].address, address) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct host_wish hosts_wish(const struct hosts *h, const char *address, uint32_t port)
{
    struct host_wish wish = {.included = h == NULL || !h->restricts};
    bool seen = false;
    for (size_t i = h == NULL ? 0 : first_of(h, address);
         h != NULL && i < h->index_count && strcmp(h->index[i].address, address) == 0; i++) {
        const struct entry *e = &h->entries[h->index[i].entry];
        if (e->port != 0 && e->port != port)
            continue;
        wish.included |= e->includes;
        wish.excluded |= e->wish == ADMIN_DECOMMISSIONED;
        if (e->wish == ADMIN_IN_MAINTENANCE && wish.maintenance_until_ms == 0)
            wish.maintenance_until_ms = e->maintenance_until_ms;
        if (!seen)
            wish.upgrade_domain = e->upgrade_domain;
        seen = true;
    }
    return wish;
}

struct host_entry hosts_entry(const struct hosts *h, size_t entry)
{
    CHECK(entry < h->count);
    const struct entry *e = &h->entries[entry];
    return (struct host_entry){.name = e->name,
                               .address = e->address_count > 0 ? e->addresses[0] : NULL,
                               .port = e->port,
                               .included = e->includes};
}
