/* text.c - lists of hosts as words. See hosts.h. Pure. */
#include <stdlib.h>

#include "namenode/hosts/internal.h"

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

/* Digits of a number from 1 to 65535; 0: it is none. */
static uint32_t port_of(struct slice digits)
{
    uint32_t port = 0;
    if (digits.size == 0 || digits.size > 5)
        return 0;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return 0;
        port = port * 10 + (uint32_t)(digits.data[i] - '0');
    }
    return port <= UINT16_MAX ? port : 0;
}

/* "host", "host:port", "[address]", "[address]:port" */
static int split(struct slice word, struct slice *ret_host, uint32_t *ret_port)
{
    const uint8_t *end = word.data + word.size, *colon = memrchr(word.data, ':', word.size);
    *ret_port = 0;
    if (word.data[0] == '[') {
        const uint8_t *close = memchr(word.data, ']', word.size);
        if (close == NULL || (close + 1 != end && close + 1 != colon))
            return ERR_CONFIG;
        *ret_host = (struct slice){word.data + 1, (size_t)(close - word.data - 1)};
        if (close + 1 == end)
            return host_check(*ret_host);
    } else {
        *ret_host =
            (struct slice){word.data, colon == NULL ? word.size : (size_t)(colon - word.data)};
        if (memchr(ret_host->data, ':', ret_host->size) != NULL)
            return ERR_CONFIG;
        if (colon == NULL)
            return host_check(*ret_host);
    }
    *ret_port = port_of((struct slice){colon + 1, (size_t)(end - colon - 1)});
    return *ret_port == 0 ? ERR_CONFIG : host_check(*ret_host);
}

static int add_word(struct hosts *h, struct slice word, const char *file, size_t line, bool exclude,
                    struct err *err)
{
    struct slice host;
    struct entry e = {.includes = !exclude, .wish = exclude ? ADMIN_DECOMMISSIONED : ADMIN_NORMAL};
    char text[SHOWN_MAX + 1];
    if (split(word, &host, &e.port) != 0)
        return fail(err, ERR_CONFIG, "%s, line %zu: \"%s\" is neither a host nor host:port", file,
                    line, shown(text, word));
    e.name = strndup((const char *)host.data, host.size);
    return entry_add(h, &e) == 0
               ? 0
               : fail(err, ERR_NO_MEMORY, "%s, line %zu: no memory for more hosts", file, line);
}

int hosts_add_text(struct hosts *h, struct slice text, const char *file, bool exclude,
                   struct err *err)
{
    size_t line = 1, i = 0;
    while (i < text.size) {
        uint8_t c = text.data[i];
        if (is_space(c)) {
            line += c == '\n';
            i++;
            continue;
        }
        size_t begin = i;
        while (i < text.size && (c == '#' ? text.data[i] != '\n' : !is_space(text.data[i])))
            i++;
        if (c != '#')
            TRY(add_word(h, (struct slice){text.data + begin, i - begin}, file, line, exclude,
                         err));
    }
    return 0;
}
