/* get.c - a page of a web server, line by line as it comes. Thread: main's. */
#include <curl/curl.h>

#include "cli/fsck/internal.h"
#include "common/base/base.h"

enum { MAX_LINE = 1 << 20 };

struct page {
    bool (*line)(void *ctx, const char *text);
    void *ctx;
    struct buf rest; /* of a line that has not ended */
    bool stopped, no_memory;
};

static void give_line(struct page *p)
{
    if (buf_size(&p->rest) > 0 && buf_head(&p->rest)[buf_size(&p->rest) - 1] == '\r')
        p->rest.end--;
    p->no_memory |= buf_append(&p->rest, "", 1) != 0;
    if (!p->no_memory && !p->line(p->ctx, (const char *)buf_head(&p->rest)))
        p->stopped = true;
    buf_clear(&p->rest);
}

static size_t take(char *data, size_t one, size_t size, void *ctx)
{
    struct page *p = ctx;
    (void)one;
    for (size_t i = 0; i < size && !p->stopped && !p->no_memory;) {
        const char *end = memchr(data + i, '\n', size - i);
        size_t n = end != NULL ? (size_t)(end - (data + i)) : size - i;
        p->no_memory |= buf_size(&p->rest) + n > MAX_LINE || buf_append(&p->rest, data + i, n) != 0;
        if (end != NULL)
            give_line(p);
        i += n + (end != NULL);
    }
    return p->stopped || p->no_memory ? 0 : size;
}

static void configure(CURL *c, const struct conf *conf, const char *url, struct page *p)
{
    long connect_ms = (long)conf_ms(conf, CONF_client_fsck_connect_timeout);
    long read_ms = (long)conf_ms(conf, CONF_client_fsck_read_timeout);
    (void)curl_easy_setopt(c, CURLOPT_URL, url);
    (void)curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
    (void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(c, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    if (read_ms > 0) { /* so long without a byte */
        (void)curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
        (void)curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (read_ms + 999) / 1000);
    }
    (void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
    (void)curl_easy_setopt(c, CURLOPT_WRITEDATA, p);
}

int get_lines(const struct conf *conf, const char *url, bool (*line)(void *ctx, const char *text),
              void *ctx, struct err *err)
{
    struct page p = {.line = line, .ctx = ctx};
    CURL *c = curl_easy_init();
    if (c == NULL)
        return fail(err, ERR_NO_MEMORY, "out of memory");
    configure(c, conf, url, &p);
    CURLcode code = curl_easy_perform(c);
    int rc = 0;
    if (p.no_memory)
        rc = fail(err, ERR_NO_MEMORY, "a line of %s is too long", url);
    else if (code != CURLE_OK && !p.stopped)
        rc = fail(err, ERR_IO, "%s: %s", url, curl_easy_strerror(code));
    else if (!p.stopped && buf_size(&p.rest) > 0)
        give_line(&p);
    buf_fini(&p.rest);
    curl_easy_cleanup(c);
    return rc;
}

/* As Java's URLEncoder: a blank is a plus. */
char *get_escaped(const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-*_";
    char *out = text_alloc(3 * strlen(text) + 1), *at = out;
    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL)
            *at++ = *text;
        else if (*text == ' ')
            *at++ = '+';
        else
            at += snprintf(at, 4, "%%%02X", (unsigned char)*text);
    }
    return out;
}
