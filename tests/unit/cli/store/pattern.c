/* pattern.c - globs: what fits and what is refused. */
#include <criterion/criterion.h>

#include "cli/store/internal.h"

static bool fits(const char *text, const char *name)
{
    struct pattern *p;
    struct err err = {0};
    cr_assert_eq(pattern_new(text, &p, &err), 0, "%s: %s", text, err.text);
    bool good = pattern_matches(p, name);
    pattern_free(p);
    return good;
}

Test(pattern, stars_and_questions)
{
    cr_assert(fits("*", ""));
    cr_assert(fits("*", "abc"));
    cr_assert(fits("a*c", "abbc"));
    cr_assert(fits("a*b*c", "axxbyybzc"));
    cr_assert(!fits("a*c", "abb"));
    cr_assert(fits("a?c", "abc"));
    cr_assert(!fits("a?c", "ac"));
    cr_assert(fits("?", "\xc3\xbc")); /* one character, two bytes */
    cr_assert(!fits("??", "\xc3\xbc"));
    cr_assert(fits("part-*", "part-00000"));
    cr_assert(!fits("part-*", "_SUCCESS"));
}

Test(pattern, sets)
{
    cr_assert(fits("[a-c]x", "bx"));
    cr_assert(!fits("[a-c]x", "dx"));
    cr_assert(fits("[^a-c]x", "dx"));
    cr_assert(fits("[!a-c]x", "dx"));
    cr_assert(!fits("[!a-c]x", "ax"));
    cr_assert(fits("[abc-]", "-"));
    cr_assert(fits("[\\]]", "]"));
    cr_assert(fits("[\xc3\xa4-\xc3\xbc]", "\xc3\xb6"));
}

Test(pattern, groups)
{
    cr_assert(fits("{a,b}c", "bc"));
    cr_assert(!fits("{a,b}c", "cc"));
    cr_assert(fits("{a,b{c,d}}e", "bde"));
    cr_assert(fits("x{,y}", "x"));
    cr_assert(fits("{a*,*z}", "fooz"));
    cr_assert(fits("a,b", "a,b"));
    cr_assert(fits("a}", "a}"));
}

Test(pattern, escapes_and_plain_signs)
{
    cr_assert(fits("a\\*b", "a*b"));
    cr_assert(!fits("a\\*b", "axb"));
    cr_assert(fits("\\{a\\}", "{a}"));
    cr_assert(fits("a.b+c$(|)^", "a.b+c$(|)^"));
    cr_assert(!fits("a.b", "axb"));
}

Test(pattern, knows_wildcards)
{
    struct pattern *p;
    struct err err = {0};
    cr_assert_eq(pattern_new("a\\*b", &p, &err), 0);
    cr_assert(!pattern_has_wildcard(p));
    pattern_free(p);
    cr_assert_eq(pattern_new("a[b]", &p, &err), 0);
    cr_assert(pattern_has_wildcard(p));
    pattern_free(p);
}

Test(pattern, refuses)
{
    static const struct {
        const char *text, *why;
    } wrong[] = {
        {"a{", "Unclosed group at pos 2: `a{`"},
        {"a[", "Unclosed character class at pos 2: `a[`"},
        {"[a[b]", "Unclosed character class at pos 2: `[a[b]`"},
        {"a\\", "Missing escaped character at pos 2: `a\\`"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct pattern *p;
        struct err err = {0};
        cr_assert_eq(pattern_new(wrong[i].text, &p, &err), ERR_IO, "%s", wrong[i].text);
        cr_assert(strstr(err.text, wrong[i].why) != NULL, "%s", err.text);
    }
}

/* Stars don't multiply: this would take years if every way were tried. */
Test(pattern, many_stars, .timeout = 5)
{
    char name[2001];
    memset(name, 'a', 2000);
    name[2000] = '\0';
    cr_assert(!fits("*a*a*a*a*a*a*a*a*a*a*a*a*b", name));
}

Test(pattern, groups_have_a_limit)
{
    struct pattern *p;
    struct err err = {0};
    const char *text = "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}";
    cr_assert_eq(pattern_new(text, &p, &err), ERR_IO);
    cr_assert(strstr(err.text, "more than") != NULL, "%s", err.text);
}

Test(glob, groups_with_slashes_are_spelled_out_in_order)
{
    char **flat;
    struct err err = {0};
    cr_assert_eq(glob_expand("/{a/b,c/{d,e}}/{x,y}", &flat, &err), 0);
    static const char *const want[] = {"/a/b/{x,y}", "/c/{d,e}/{x,y}"};
    for (size_t i = 0; i < ARRAY_SIZE(want); i++)
        cr_assert_str_eq(flat[i], want[i]);
    cr_assert_null(flat[ARRAY_SIZE(want)]);
    list_free(flat);
}
