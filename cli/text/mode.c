/* mode.c - the mode of chmod and the time of touch, as Hadoop reads them.
 * A symbolic mode is clauses [ugoa]*[+-=]+[rwxXt]+ split by commas or blanks; the last clause for a
 * class wins, and the last operator of a clause counts. An octal one has 3 digits, or 4 with a
 * first one of 0 or 1. No umask is applied. Pure. */
#include <ctype.h>
#include <string.h>
#include <time.h>

#include "cli/text/text.h"

enum { USER, GROUP, OTHERS, STICKY };

static const char *skip_space(const char *p)
{
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

static bool parse_octal(const char *text, struct mode_change *ret)
{
    const char *p = skip_space(text);
    if (*p == '+')
        p++;
    size_t n = strspn(p, "01234567");
    if (n < 3 || n > 4 || (n == 4 && *p > '1') || *skip_space(p + n) != '\0')
        return false;
    memset(ret->type, '=', sizeof(ret->type));
    ret->bits[STICKY] = n == 4 ? (uint8_t)(*p++ - '0') : 0;
    for (size_t i = 0; i < 3; i++)
        ret->bits[i] = (uint8_t)(p[i] - '0');
    return true;
}

/* One clause from *p; *comma tells whether another may follow. */
static bool parse_clause(const char **p, struct mode_change *ret, bool *comma)
{
    const char *at = skip_space(*p);
    size_t who = strspn(at, "ugoa"), what = strspn(at + who, "+=-");
    const char *bits_at = at + who + what;
    size_t count = strspn(bits_at, "rwxXt");
    if (what == 0 || count == 0)
        return false;
    uint8_t bits = 0;
    bool sticky = false;
    for (size_t i = 0; i < count; i++) {
        static const char letters[] = "xwrX";
        const char *letter = strchr(letters, bits_at[i]);
        if (letter == NULL)
            sticky = true;
        else
            bits |= (uint8_t)(1u << (letter - letters));
    }
    bool named = strcspn(at, "ugo") < who;
    for (int c = USER; c <= OTHERS; c++) {
        if (named && memchr(at, "ugo"[c], who) == NULL)
            continue;
        ret->bits[c] = bits;
        ret->type[c] = bits_at[-1];
        if (c == OTHERS) {
            ret->bits[STICKY] = sticky;
            ret->type[STICKY] = bits_at[-1];
        }
    }
    const char *end = bits_at + count;
    size_t separators = strspn(end, ", \t\n\v\f\r");
    *comma = memchr(end, ',', separators) != NULL;
    *p = end + separators;
    return true;
}

bool mode_parse(const char *text, struct mode_change *ret)
{
    struct mode_change change = {{'+', '+', '+', '+'}, {0}};
    const char *p = text;
    bool comma;
    if (parse_clause(&p, &change, &comma)) {
        while (*p != '\0')
            if (!comma || !parse_clause(&p, &change, &comma))
                return false;
    } else if (!parse_octal(text, &change)) {
        return false;
    }
    *ret = change;
    return true;
}

static uint32_t combine(char type, uint32_t bits, uint32_t old, bool executable)
{
    bool capital = bits & 8;
    if (capital)
        bits = (bits & 7) | 1;
    if (type == '+')
        bits |= old;
    else if (type == '-')
        bits = ~bits & old;
    if (capital && !executable && (bits & 1) && !(old & 1))
        bits &= ~1u;
    return bits;
}

uint32_t mode_apply(const struct mode_change *change, uint32_t mode, bool is_directory)
{
    bool executable = is_directory || (mode & 0111) != 0;
    uint32_t out = combine(change->type[STICKY], change->bits[STICKY], mode >> 9, false) << 9;
    for (unsigned c = USER; c <= OTHERS; c++) {
        unsigned shift = 6 - 3 * c;
        out |= combine(change->type[c], change->bits[c], mode >> shift & 7, executable) << shift;
    }
    return out;
}

static bool digits(const char **p, size_t n, int *ret)
{
    int value = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isdigit((unsigned char)(*p)[i]))
            return false;
        value = value * 10 + ((*p)[i] - '0');
    }
    *p += n;
    *ret = value;
    return true;
}

bool timestamp_parse(const char *text, int64_t *ret_ms)
{
    struct tm tm = {.tm_isdst = -1};
    const char *p = text;
    if (!digits(&p, 4, &tm.tm_year) || !digits(&p, 2, &tm.tm_mon) || !digits(&p, 2, &tm.tm_mday) ||
        *p++ != ':' || !digits(&p, 2, &tm.tm_hour) || !digits(&p, 2, &tm.tm_min) ||
        !digits(&p, 2, &tm.tm_sec))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    time_t t = mktime(&tm);
    *ret_ms = (int64_t)t * 1000;
    return true;
}
