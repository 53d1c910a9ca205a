/* find.c - paths whose names fit.
 * There is no "or" and no "not", so an expression is a row of tests and actions that stops at the
 * first false one; parentheses change nothing and must only match. Thread: the command's. */
#include <ctype.h>

#include "cli/fs/internal.h"

enum term { TERM_NAME, TERM_INAME, TERM_PRINT, TERM_PRINT0 };

struct step {
    enum term term;
    struct pattern *pattern;
};

struct find {
    struct step *steps;
    size_t count;
    bool has_action;
};

static void lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = (char)tolower((unsigned char)*text);
}

static bool name_fits(const struct step *s, const struct item *item)
{
    auto_text name = text_dup(item_name(item));
    if (s->term == TERM_INAME)
        lower(name);
    return pattern_matches(s->pattern, name);
}

static int find_path(struct walk *w, struct item *item, struct err *err)
{
    const struct find *f = w->data;
    FILE *out = w->sh->out;
    (void)err;
    for (size_t i = 0; i < f->count; i++) {
        const struct step *s = &f->steps[i];
        if (s->term <= TERM_INAME) {
            if (!name_fits(s, item))
                return 0;
        } else {
            fputs(item->text, out);
            fputc(s->term == TERM_PRINT ? '\n' : '\0', out);
        }
    }
    return 0;
}

static int add_step(struct find *f, enum term term, const char *pattern, struct err *err)
{
    struct step step = {.term = term};
    if (pattern != NULL) {
        auto_text copy = text_dup(pattern);
        if (term == TERM_INAME)
            lower(copy);
        TRY(pattern_new(copy, &step.pattern, err));
    } else {
        f->has_action = true;
    }
    f->steps = text_grow(f->steps, (f->count + 1) * sizeof(*f->steps));
    f->steps[f->count++] = step;
    return 0;
}

/* One word of the expression, with its argument; moves *i on. */
static int parse_word(struct find *f, const struct args *words, size_t *i, struct err *err)
{
    const char *word = words->at[*i];
    if (strcmp(word, "-print") == 0)
        return add_step(f, TERM_PRINT, NULL, err);
    if (strcmp(word, "-print0") == 0)
        return add_step(f, TERM_PRINT0, NULL, err);
    bool any_case = strcmp(word, "-iname") == 0;
    if (!any_case && strcmp(word, "-name") != 0)
        return fail(err, ERR_IO, "Unexpected argument: %s", word);
    if (++*i == words->count)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "%s needs a pattern", word);
    return add_step(f, any_case ? TERM_INAME : TERM_NAME, words->at[*i], err);
}

static bool is_and(const char *word)
{
    return strcmp(word, "-a") == 0 || strcmp(word, "-and") == 0;
}

static int parse(struct find *f, const struct args *words, struct err *err)
{
    unsigned open = 0;
    bool wants_term = false; /* behind an -a */
    for (size_t i = 0; i < words->count; i++) {
        const char *word = words->at[i];
        if (is_and(word)) {
            if (f->count == 0 || wants_term)
                return fail(err, ERR_ILLEGAL_ARGUMENT, "%s needs an expression on both sides",
                            word);
            wants_term = true;
        } else if (strcmp(word, "(") == 0) {
            open++;
        } else if (strcmp(word, ")") == 0) {
            if (open == 0)
                break; /* as in Hadoop, the end of all */
            open--;
        } else {
            TRY(parse_word(f, words, &i, err));
            wants_term = false;
        }
    }
    if (wants_term)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "-a needs an expression on both sides");
    return f->has_action ? 0 : add_step(f, TERM_PRINT, NULL, err);
}

int cmd_find(struct shell *sh, struct args *args, struct err *err)
{
    static char here[] = ".";
    char *only[] = {here};
    struct options o;
    struct find f = {0};
    TRY(options_parse(sh, args, &o, err));
    struct args words = *args;
    while (words.count > 0 && words.at[0][0] != '-')
        (void)args_first(&words);
    args->count -= words.count;
    if (args->count == 0)
        *args = (struct args){.at = only, .count = 1};
    int rc = parse(&f, &words, err);
    struct walk w = {.sh = sh, .data = &f, .recursive = true, .path = find_path};
    if (rc == 0)
        rc = walk_args(&w, args, err);
    for (size_t i = 0; i < f.count; i++)
        pattern_free(f.steps[i].pattern);
    text_free(f.steps);
    return rc;
}
