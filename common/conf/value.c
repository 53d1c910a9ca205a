/* value.c - what a value means: whole numbers, sizes, times, truth. Thread: any; pure.
 * Stricter than Hadoop where it guesses: an unknown word for a BOOL is an error, not the default.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/conf/internal.h"

/* Digits with an optional sign, decimal or 0x hexadecimal; *ret_rest is what follows. False: none,
 * or too large. */
static bool parse_number(const char *text, int64_t *ret, const char **ret_rest)
{
    const char *at = text + (text[0] == '-' || text[0] == '+');
    int base = at[0] == '0' && (at[1] == 'x' || at[1] == 'X') ? 16 : 10;
    at += base == 16 ? 2 : 0;
    if (strchr(base == 16 ? "0123456789abcdefABCDEF" : "0123456789", at[0]) == NULL ||
        at[0] == '\0')
        return false;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, base);
    if (errno != 0)
        return false;
    *ret = value;
    *ret_rest = end;
    return true;
}

static bool parse_int(const char *text, int64_t *ret)
{
    const char *rest;
    return parse_number(text, ret, &rest) && *rest == '\0';
}

static bool parse_size(const char *text, int64_t *ret)
{
    static const char units[] = "kmgtpe";
    const char *rest;
    int64_t value;
    if (!parse_number(text, &value, &rest))
        return false;
    if (*rest != '\0') {
        char lower = (char)(*rest | 0x20);
        const char *unit = strchr(units, lower);
        if (unit == NULL || rest[1] != '\0' ||
            __builtin_mul_overflow(value, (int64_t)1 << 10 * (unit - units + 1), &value))
            return false;
    }
    *ret = value;
    return true;
}

struct time_unit {
    const char *suffix;
    int64_t multiply, divide; /* to ms */
};

static const struct time_unit time_units[] = {
    {"ns", 1, 1000000}, {"us", 1, 1000},   {"ms", 1, 1},       {"s", 1000, 1},
    {"m", 60000, 1},    {"h", 3600000, 1}, {"d", 86400000, 1},
};

static int64_t own_unit_ms(enum conf_type type)
{
    return type == CONF_TYPE_SEC ? 1000 : type == CONF_TYPE_MIN ? 60000 : 1;
}

static bool parse_time(const char *text, int64_t default_unit_ms, int64_t *ret)
{
    const char *rest;
    int64_t value;
    if (!parse_number(text, &value, &rest))
        return false;
    if (*rest == '\0')
        return !__builtin_mul_overflow(value, default_unit_ms, ret);
    for (size_t i = 0; i < ARRAY_SIZE(time_units); i++) {
        const struct time_unit *u = &time_units[i];
        if (strcasecmp(rest, u->suffix) != 0)
            continue;
        if (__builtin_mul_overflow(value, u->multiply, &value))
            return false;
        *ret = value / u->divide;
        return true;
    }
    return false;
}

/* Java's floats may end in f or d; no names, no hexadecimal. The decimal point is one in any
 * locale. */
static bool parse_double(const char *text, double *ret)
{
    if (text[0] == '\0' || strspn(text, "0123456789+-.eEfFdD") != strlen(text))
        return false;
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c_locale == (locale_t)0)
        return false;
    char *end;
    double value = strtod_l(text, &end, c_locale);
    freelocale(c_locale);
    if (end == text)
        return false;
    if (*end != '\0' && strchr("fFdD", *end) != NULL)
        end++;
    if (*end != '\0' || value > 1e300 || value < -1e300)
        return false;
    *ret = value;
    return true;
}

static bool parse_bool(const char *text, int64_t *ret)
{
    bool yes = strcasecmp(text, "true") == 0;
    *ret = yes;
    return yes || strcasecmp(text, "false") == 0;
}

static const char *expectation(enum conf_type type)
{
    switch (type) {
    case CONF_TYPE_INT:
        return "a whole number";
    case CONF_TYPE_SIZE:
        return "a size like 4096, 64k or 128m";
    case CONF_TYPE_DOUBLE:
        return "a number";
    case CONF_TYPE_BOOL:
        return "true or false";
    default:
        return "a time like 30, 500ms, 30s, 5m, 1h or 1d";
    }
}

static bool parse_typed(enum conf_type type, const char *text, struct conf_value *v)
{
    switch (type) {
    case CONF_TYPE_STR:
        return true;
    case CONF_TYPE_INT:
        return parse_int(text, &v->integer);
    case CONF_TYPE_SIZE:
        return parse_size(text, &v->integer);
    case CONF_TYPE_DOUBLE:
        return parse_double(text, &v->real);
    case CONF_TYPE_BOOL:
        return parse_bool(text, &v->integer);
    default:
        return parse_time(text, own_unit_ms(type), &v->integer);
    }
}

/* A limit of the table in the unit of the parsed value; the largest ones saturate. */
static int64_t limit_of(const struct conf_key_info *key, int64_t limit)
{
    int64_t scaled;
    bool is_time = key->type >= CONF_TYPE_SEC;
    if (__builtin_mul_overflow(limit, is_time ? own_unit_ms(key->type) : 1, &scaled))
        return limit < 0 ? INT64_MIN : INT64_MAX;
    return scaled;
}

static bool in_range(const struct conf_key_info *key, const struct conf_value *v)
{
    if (key->min == key->max)
        return true;
    if (key->type == CONF_TYPE_DOUBLE)
        return v->real >= (double)key->min && v->real <= (double)key->max;
    return v->integer >= limit_of(key, key->min) && v->integer <= limit_of(key, key->max);
}

static const char *unit_name(enum conf_type type)
{
    switch (type) {
    case CONF_TYPE_SIZE:
        return " bytes";
    case CONF_TYPE_SEC:
        return " seconds";
    case CONF_TYPE_MS:
        return " milliseconds";
    case CONF_TYPE_MIN:
        return " minutes";
    default:
        return "";
    }
}

int conf_value_parse(const struct conf_key_info *key, const char *text, struct conf_value *ret,
                     struct err *err)
{
    struct conf_value v = *ret;
    if (!parse_typed(key->type, text, &v))
        return fail(err, ERR_CONFIG, "not %s", expectation(key->type));
    if (!in_range(key, &v))
        return fail(err, ERR_CONFIG, "not between %lld and %lld%s", (long long)key->min,
                    (long long)key->max, unit_name(key->type));
    *ret = v;
    return 0;
}
