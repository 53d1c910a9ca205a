/* text.c - pieces of pages: escaped texts, sizes, figures. Pure but for the counters. */
#include <stdio.h>

#include "common/obs/obs.h"
#include "common/web/web.h"

static int put(struct buf *out, const char *text)
{
    return buf_append(out, text, strlen(text));
}

int web_put_html(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        const char *entity = *text == '<'    ? "&lt;"
                             : *text == '>'  ? "&gt;"
                             : *text == '&'  ? "&amp;"
                             : *text == '"'  ? "&quot;"
                             : *text == '\'' ? "&#39;"
                                             : NULL;
        TRY(entity != NULL ? put(out, entity) : buf_append(out, text, 1));
    }
    return 0;
}

int web_put_json(struct buf *out, const char *text)
{
    TRY(put(out, "\""));
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            TRY(buf_printf(out, "\\%c", *text));
        else if ((unsigned char)*text < ' ')
            TRY(buf_printf(out, "\\u%04x", (unsigned)*text));
        else
            TRY(buf_append(out, text, 1));
    }
    return put(out, "\"");
}

int web_put_bytes(struct buf *out, uint64_t bytes)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
        value /= 1024;
        unit++;
    }
    return unit == 0 ? buf_printf(out, "%.0f B", value)
                     : buf_printf(out, "%.2f %s", value, units[unit]);
}

int web_put_figure(struct buf *out, const char *name, const char *help, double value)
{
    return buf_printf(out, "# HELP hadron_%s %s\n# TYPE hadron_%s gauge\nhadron_%s %.17g\n", name,
                      help, name, name, value);
}

int web_put_counters(struct buf *out)
{
    static const char *const helps[METRIC_COUNT] = {
#define M(name, help) [METRIC_##name] = (help),
        METRICS(M)
#undef M
    };
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        const char *name = metric_name((enum metric)i);
        TRY(buf_printf(out,
                       "# HELP hadron_%s_total %s\n# TYPE hadron_%s_total counter\n"
                       "hadron_%s_total %llu\n",
                       name, helps[i], name, name, (unsigned long long)metric_get((enum metric)i)));
    }
    return 0;
}

/* Only the last star is ever tried again: the time is that of pattern times text at most. */
static bool matches(const char *pattern, const char *text)
{
    const char *star = NULL, *again = NULL;
    while (*text != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            again = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star;
            text = ++again;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

bool web_wants(const char *query, const char *bean)
{
    return query == NULL || query[0] == '\0' || matches(query, bean);
}

int web_put_head(struct buf *out, const char *title)
{
    TRY(put(out, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
                 "<meta name=\"viewport\" content=\"width=device-width\"><title>"));
    TRY(web_put_html(out, title));
    return put(
        out,
        "</title><style>"
        ":root{color-scheme:light dark;--line:#8884;--soft:#8882;--good:#2a8f4f;--bad:#c0392b}"
        "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}"
        "h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}"
        ".sub{opacity:.7;margin:.2rem 0 1.2rem}"
        ".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.8rem}"
        ".card{border:1px solid var(--line);border-radius:.5rem;padding:.7rem .9rem}"
        ".card b{display:block;font-size:1.35rem}.card span{opacity:.7;font-size:.85rem}"
        "table{border-collapse:collapse;width:100%}"
        "th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line)}"
        "th{font-weight:600;font-size:.85rem;opacity:.8}td.n,th.n{text-align:right;"
        "font-variant-numeric:tabular-nums}"
        ".bar{height:.6rem;border-radius:.3rem;background:var(--soft);overflow:hidden;"
        "margin:.6rem 0}.bar i{display:block;height:100%;background:var(--good)}"
        ".note{border-left:.25rem solid var(--bad);padding:.4rem .8rem;background:var(--soft)}"
        ".ok{color:var(--good)}.bad{color:var(--bad)}footer{margin:2rem 0;opacity:.7}"
        "</style></head><body>");
}
