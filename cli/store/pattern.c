/* pattern.c - Hadoop's globs: one component against a pattern, and the spelling out of groups.
 * Groups are spelled out into flat patterns first (at most PATTERN_FLAT_MAX), so that matching
 * needs to go back to the last star only and costs length x length at worst. Pure. */
#include <stdlib.h>

#include "cli/store/internal.h"

enum { PATTERN_FLAT_MAX = 4096 };

struct pattern {
    char **flat; /* NULL-terminated */
    bool wildcard;
};

struct list {
    char **at;
    size_t count;
};

static void list_add(struct list *list, char *take_text)
{
    list->at = text_grow(list->at, (list->count + 2) * sizeof(*list->at));
    list->at[list->count++] = take_text;
    list->at[list->count] = NULL;
}

void list_free(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        text_free(list[i]);
    text_free(list);
}

static int bad(struct err *err, const char *what, size_t at, const char *pattern)
{
    return fail(err, ERR_IO, "Illegal file pattern: error parsing regexp: %s at pos %zu: `%s`",
                what, at, pattern);
}

/* The grammar as Hadoop's compiler of patterns sees it. */
static int check(const char *text, bool *ret_wildcard, struct err *err)
{
    unsigned groups = 0;
    bool in_set = false;
    size_t n = strlen(text);
    *ret_wildcard = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '\\' && ++i >= n)
            return bad(err, "Missing escaped character", i, text);
        if (c == '[' && in_set)
            return bad(err, "Unclosed character class", i, text);
        if (c == '[')
            in_set = true;
        else if (c == ']')
            in_set = false;
        else if (c == '{')
            groups++;
        else if (c == '}' && groups > 0)
            groups--;
        if (strchr("*?[{", c) != NULL)
            *ret_wildcard = true;
    }
    if (in_set)
        return bad(err, "Unclosed character class", n, text);
    return groups > 0 ? bad(err, "Unclosed group", n, text) : 0;
}

/* The end of the group that opens at text[at]: the index of its '}', or 0; whether it holds a
 * slash. */
static size_t group_end(const char *text, size_t at, bool *ret_slash)
{
    unsigned depth = 0;
    *ret_slash = false;
    for (size_t i = at; text[i] != '\0'; i++) {
        if (text[i] == '\\' && text[i + 1] != '\0')
            i++;
        else if (text[i] == '/')
            *ret_slash = true;
        else if (text[i] == '{')
            depth++;
        else if (text[i] == '}' && --depth == 0)
            return i;
    }
    return 0;
}

/* The first outer group (one with a slash inside, if slashes): true and its bounds. */
static bool find_group(const char *text, bool slashes, size_t *ret_open, size_t *ret_close)
{
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (text[i] == '\\' && text[i + 1] != '\0') {
            i++;
            continue;
        }
        if (text[i] != '{')
            continue;
        bool slash;
        size_t close = group_end(text, i, &slash);
        if (close == 0)
            return false;
        if (!slashes || slash) {
            *ret_open = i;
            *ret_close = close;
            return true;
        }
        i = close;
    }
    return false;
}

/* Replaces the group at [open, close] by each of its choices. */
static void spell_out(const char *text, size_t open, size_t close, struct list *to)
{
    unsigned depth = 0;
    size_t start = open + 1;
    for (size_t i = open + 1; i <= close; i++) {
        if (text[i] == '\\') {
            i++;
        } else if (text[i] == '{') {
            depth++;
        } else if ((text[i] == ',' && depth == 0) || i == close) {
            list_add(to, text_printf("%.*s%.*s%s", (int)open, text, (int)(i - start), text + start,
                                     text + close + 1));
            start = i + 1;
        } else if (text[i] == '}') {
            depth--;
        }
    }
}

static int expand(const char *pattern, bool slashes, char ***ret, struct err *err)
{
    struct list todo = {0}, done = {0};
    int rc = 0;
    list_add(&todo, text_dup(pattern));
    while (rc == 0 && todo.count > 0) {
        char *text = todo.at[--todo.count];
        size_t open, close;
        if (done.count + todo.count > PATTERN_FLAT_MAX) {
            rc = fail(err, ERR_IO, "Illegal file pattern: more than %d choices: `%s`",
                      PATTERN_FLAT_MAX, pattern);
        } else if (find_group(text, slashes, &open, &close)) {
            struct list choices = {0};
            spell_out(text, open, close, &choices);
            for (size_t i = choices.count; i > 0; i--) /* the first choice is looked at first */
                list_add(&todo, choices.at[i - 1]);
            text_free(choices.at);
        } else {
            list_add(&done, text_dup(text));
        }
        text_free(text);
    }
    for (size_t i = 0; i < todo.count; i++)
        text_free(todo.at[i]);
    text_free(todo.at);
    if (rc != 0) {
        list_free(done.at);
        return rc;
    }
    *ret = done.at;
    return 0;
}

int glob_expand(const char *pattern, char ***ret, struct err *err)
{
    for (size_t i = 0; pattern[i] != '\0'; i++) {
        if (pattern[i] == '\\' && pattern[++i] == '\0')
            return fail(err, ERR_IO,
                        "Illegal file pattern: An escaped character does not present for glob %s "
                        "at %zu",
                        pattern, i);
    }
    return expand(pattern, true, ret, err);
}

int pattern_new(const char *text, struct pattern **ret, struct err *err)
{
    bool wildcard;
    char **flat;
    TRY(check(text, &wildcard, err));
    TRY(expand(text, false, &flat, err));
    struct pattern *p = text_alloc(sizeof(*p));
    *p = (struct pattern){.flat = flat, .wildcard = wildcard};
    *ret = p;
    return 0;
}

void pattern_free(struct pattern *p)
{
    if (p != NULL)
        list_free(p->flat);
    text_free(p);
}

bool pattern_has_wildcard(const struct pattern *p)
{
    return p->wildcard;
}

/* One character of UTF-8 (a stray byte counts as one). */
static uint32_t next_char(const char **p)
{
    const uint8_t *s = (const uint8_t *)*p;
    size_t n = s[0] < 0xc2 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 1;
    uint32_t c = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            *p += 1;
            return s[0];
        }
        c = c << 6 | (s[i] & 0x3f);
    }
    *p += n;
    return c;
}

/* *p is behind the '['; leaves it behind the ']'. */
static bool set_matches(const char **p, uint32_t c)
{
    bool negated = **p == '^' || **p == '!', found = false;
    if (negated)
        ++*p;
    while (**p != ']' && **p != '\0') {
        if (**p == '\\')
            ++*p;
        uint32_t low = next_char(p), high = low;
        if (**p == '-' && (*p)[1] != ']' && (*p)[1] != '\0') {
            ++*p;
            if (**p == '\\')
                ++*p;
            high = next_char(p);
        }
        found = found || (c >= low && c <= high);
    }
    if (**p == ']')
        ++*p;
    return found != negated;
}

/* Does the element at *p (never a star) take the character at *s? Moves both on if so. */
static bool element_matches(const char **p, const char **s)
{
    const char *pattern = *p, *name = *s;
    uint32_t c = next_char(&name);
    bool good;
    if (*pattern == '?') {
        pattern++;
        good = true;
    } else if (*pattern == '[') {
        pattern++;
        good = set_matches(&pattern, c);
    } else {
        if (*pattern == '\\')
            pattern++;
        good = *pattern != '\0' && next_char(&pattern) == c;
    }
    if (good) {
        *p = pattern;
        *s = name;
    }
    return good;
}

static bool flat_matches(const char *p, const char *s)
{
    const char *star = NULL, *back = NULL;
    while (*s != '\0') {
        if (*p == '*') {
            star = ++p;
            back = s;
        } else if (*p != '\0' && element_matches(&p, &s)) {
            continue;
        } else if (star != NULL) {
            (void)next_char(&back); /* the star takes one more */
            s = back;
            p = star;
        } else {
            return false;
        }
    }
    return p[strspn(p, "*")] == '\0';
}

bool pattern_matches(const struct pattern *p, const char *name)
{
    for (size_t i = 0; p->flat[i] != NULL; i++)
        if (flat_matches(p->flat[i], name))
            return true;
    return false;
}
