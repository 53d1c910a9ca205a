/* format.c - sizes, percentages, permissions, times and tables as Hadoop's shell prints them.
 * Pure. Java rounds ties away from zero where printf rounds the binary value, so the digits are
 * made here. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "cli/text/text.h"

/* Bytes of the UTF-8 character at p (1 for a stray byte) and its code point. */
static size_t utf8_next(const char *p, uint32_t *ret)
{
    const uint8_t *s = (const uint8_t *)p;
    size_t n = s[0] < 0x80   ? 1
               : s[0] < 0xc2 ? 0
               : s[0] < 0xe0 ? 2
               : s[0] < 0xf0 ? 3
               : s[0] < 0xf5 ? 4
                             : 0;
    uint32_t c = n <= 1 ? s[0] : s[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            n = 0;
        else
            c = c << 6 | (s[i] & 0x3f);
    }
    *ret = n == 0 ? 0xfffd : c;
    return n == 0 ? 1 : n;
}

size_t text_width(const char *utf8)
{
    size_t width = 0;
    uint32_t c;
    for (; *utf8 != '\0'; width += c > 0xffff ? 2 : 1)
        utf8 += utf8_next(utf8, &c);
    return width;
}

static bool is_hidden(uint32_t c)
{
    static const uint32_t ranges[][2] = {
        {0, 0x1f},          {0x7f, 0x9f},        {0xad, 0xad},     {0x600, 0x605},
        {0x61c, 0x61c},     {0x6dd, 0x6dd},      {0x70f, 0x70f},   {0x180e, 0x180e},
        {0x200b, 0x200f},   {0x202a, 0x202e},    {0x2060, 0x206f}, {0xd800, 0xf8ff},
        {0xfeff, 0xfeff},   {0xfff0, 0xfffb},    {0xfffe, 0xffff}, {0x1d173, 0x1d17a},
        {0xe0000, 0xe00ff}, {0xf0000, 0x10ffff},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return true;
    return false;
}

char *text_printable(const char *utf8)
{
    char *out = text_alloc(strlen(utf8) + 1), *to = out;
    while (*utf8 != '\0') {
        uint32_t c;
        size_t n = utf8_next(utf8, &c);
        if (is_hidden(c)) {
            *to++ = '?';
        } else {
            memcpy(to, utf8, n);
            to += n;
        }
        utf8 += n;
    }
    return out;
}

/* n / 2^shift with `decimals` places, ties up. */
static void print_scaled(uint64_t n, unsigned shift, unsigned decimals, char *out, size_t size)
{
    uint64_t ten = 1;
    for (unsigned i = 0; i < decimals; i++)
        ten *= 10;
    unsigned __int128 half = (unsigned __int128)1 << shift >> 1;
    uint64_t scaled = (uint64_t)(((unsigned __int128)n * ten + half) >> shift);
    if (decimals == 0)
        (void)snprintf(out, size, "%llu", (unsigned long long)scaled);
    else
        (void)snprintf(out, size, "%llu.%0*llu", (unsigned long long)(scaled / ten), (int)decimals,
                       (unsigned long long)(scaled % ten));
}

const char *text_prefixed(int64_t n, const char *unit, unsigned decimals, char out[TEXT_SIZE])
{
    static const char symbols[] = "KMGTPE";
    const char *sign = n < 0 ? "-" : "";
    uint64_t u = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    char digits[TEXT_SIZE - 8];
    if (u < 1024) {
        (void)snprintf(out, TEXT_SIZE, "%s%llu%s%s", sign, (unsigned long long)u, *unit ? " " : "",
                       unit);
        return out;
    }
    unsigned p = 0;
    while (p + 1 < sizeof(symbols) - 1 && u >> (10 * (p + 2)) != 0)
        p++;
    unsigned shift = 10 * (p + 1);
    if ((u & ((1ULL << shift) - 1)) == 0) {
        (void)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)(u >> shift));
    } else {
        print_scaled(u, shift, decimals, digits, sizeof(digits));
        if (strncmp(digits, "1024", 4) == 0 && p + 1 < sizeof(symbols) - 1)
            print_scaled(u, 10 * (++p + 1), decimals, digits, sizeof(digits));
    }
    (void)snprintf(out, TEXT_SIZE, "%s%s %c%s", sign, digits, symbols[p], unit);
    return out;
}

const char *text_size(int64_t n, bool human, char out[TEXT_SIZE])
{
    if (human)
        return text_prefixed(n, "", 1, out);
    (void)snprintf(out, TEXT_SIZE, "%lld", (long long)n);
    return out;
}

const char *text_percent(double part, double whole, unsigned decimals, char out[TEXT_SIZE])
{
    double ten = pow(10, decimals);
    if (whole == 0)
        (void)snprintf(out, TEXT_SIZE, "%s", part == 0 ? "NaN%" : "Infinity%");
    else
        (void)snprintf(out, TEXT_SIZE, "%.*f%%", (int)decimals,
                       floor(part / whole * 100 * ten + 0.5) / ten);
    return out;
}

const char *text_permission(uint32_t mode, char out[10])
{
    for (unsigned i = 0; i < 9; i++)
        out[i] = mode & (0400u >> i) ? "rwxrwxrwx"[i] : '-';
    if (mode & 01000)
        out[8] = mode & 1 ? 't' : 'T';
    out[9] = '\0';
    return out;
}

const char *text_time(int64_t ms, const char *format, bool utc, char out[TEXT_SIZE])
{
    time_t seconds = (time_t)(ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000));
    struct tm tm;
    out[0] = '\0';
    if ((utc ? gmtime_r(&seconds, &tm) : localtime_r(&seconds, &tm)) != NULL) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the formats are ours */
        (void)strftime(out, TEXT_SIZE, format, &tm);
#pragma GCC diagnostic pop
    }
    return out;
}

void table_init(struct table *t, size_t columns, unsigned right)
{
    *t = (struct table){.columns = columns, .right = right};
}

void table_fini(struct table *t)
{
    for (size_t r = 0; r < t->count; r++) {
        for (size_t c = 0; c < t->columns; c++)
            text_free(t->rows[r][c]);
        text_free(t->rows[r]);
    }
    text_free(t->rows);
    *t = (struct table){0};
}

void table_add(struct table *t, const char *const *cells)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity == 0 ? 16 : t->capacity * 2;
        t->rows = text_grow(t->rows, t->capacity * sizeof(*t->rows));
    }
    char **row = text_alloc(t->columns * sizeof(*row));
    for (size_t c = 0; c < t->columns; c++)
        row[c] = text_dup(cells[c]);
    t->rows[t->count++] = row;
}

static size_t column_width(const struct table *t, size_t column)
{
    size_t width = 0;
    for (size_t r = 0; r < t->count; r++) {
        size_t w = text_width(t->rows[r][column]);
        if (w > width)
            width = w;
    }
    return width;
}

void table_print(const struct table *t, FILE *out)
{
    size_t *widths = text_alloc(t->columns * sizeof(*widths));
    for (size_t c = 0; c < t->columns; c++)
        widths[c] = column_width(t, c);
    for (size_t r = 0; r < t->count; r++) {
        for (size_t c = 0; c < t->columns; c++) {
            const char *cell = t->rows[r][c];
            int pad = (int)(widths[c] - text_width(cell));
            bool right = t->right & 1u << c;
            fprintf(out, "%s%*s%s", c == 0 ? "" : "  ", right ? pad : 0, "", cell);
            if (!right && c + 1 < t->columns)
                fprintf(out, "%*s", pad, "");
        }
        fputc('\n', out);
    }
    text_free(widths);
}
