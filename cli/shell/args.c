/* args.c - options of a command line by the rules of Hadoop's shell.
 * Options come before operands; "--" ends them; "-" alone is an operand. An option with a value
 * takes the next word unless that starts with a dash or is needed as an operand. Thread: the
 * command's. */
#include <limits.h>
#include <string.h>

#include "cli/shell/shell.h"

static void remove_at(struct args *args, size_t at)
{
    memmove(args->at + at, args->at + at + 1, (args->count - at - 1) * sizeof(args->at[0]));
    args->count--;
}

/* The words of the row; true if unknown options are left alone. */
static bool declare(const char *words, struct options *o)
{
    *o = (struct options){0};
    for (const char *p = words + strspn(words, " "); *p != '\0'; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        if (n == 1 && *p == '*')
            return true;
        o->at[o->count].name = p;
        o->at[o->count++].size = n;
        p += n;
    }
    return false;
}

static bool has_value(const struct options *o, size_t i)
{
    return o->at[i].name[o->at[i].size - 1] == '=';
}

static size_t find(const struct options *o, const char *name)
{
    size_t i = 0;
    for (; i < o->count; i++) {
        size_t n = o->at[i].size - (has_value(o, i) ? 1 : 0);
        if (strlen(name) == n && memcmp(name, o->at[i].name, n) == 0)
            break;
    }
    return i;
}

bool option_on(const struct options *o, const char *name)
{
    size_t i = find(o, name);
    return i < o->count && o->at[i].on;
}

const char *option_value(const struct options *o, const char *name)
{
    size_t i = find(o, name);
    return i < o->count ? o->at[i].value : NULL;
}

static void take_value(struct options *o, size_t i, struct args *args, size_t pos, unsigned min)
{
    o->at[i].value = "";
    if (pos < args->count && args->count > min && args->at[pos][0] != '-') {
        o->at[i].value = args->at[pos];
        remove_at(args, pos);
    }
}

static int check_count(const struct command *c, const struct args *args, struct err *err)
{
    if (args->count < c->min)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "Not enough arguments: expected %u but got %zu",
                    c->min, args->count);
    if (args->count > c->max)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "Too many arguments: expected %u but got %zu",
                    c->max, args->count);
    return 0;
}

int options_parse(struct shell *sh, struct args *args, struct options *ret, struct err *err)
{
    const struct command *c = sh->command;
    struct options o;
    bool leave = declare(c->options, &o);
    size_t pos = 0;
    while (pos < args->count) {
        const char *arg = args->at[pos];
        if (arg[0] != '-' || arg[1] == '\0')
            break;
        if (strcmp(arg, "--") == 0) {
            remove_at(args, pos);
            break;
        }
        size_t i = find(&o, arg + 1);
        if (i < o.count) {
            remove_at(args, pos);
            o.at[i].on = true;
            if (has_value(&o, i))
                take_value(&o, i, args, pos, c->min);
        } else if (leave) {
            pos++;
        } else {
            return fail(err, ERR_ILLEGAL_ARGUMENT, "Illegal option %s", arg);
        }
    }
    TRY(check_count(c, args, err));
    *ret = o;
    return 0;
}

bool args_pop(struct args *args, const char *name)
{
    for (size_t i = 0; i < args->count && strcmp(args->at[i], "--") != 0; i++) {
        if (strcmp(args->at[i], name) == 0) {
            remove_at(args, i);
            return true;
        }
    }
    return false;
}

int args_pop_value(struct args *args, const char *name, const char **ret, struct err *err)
{
    for (size_t i = 0; i < args->count && strcmp(args->at[i], "--") != 0; i++) {
        if (strcmp(args->at[i], name) != 0)
            continue;
        if (i + 1 == args->count)
            return fail(err, ERR_ILLEGAL_ARGUMENT, "option %s requires 1 argument.", name);
        *ret = args->at[i + 1];
        remove_at(args, i);
        remove_at(args, i);
        return 0;
    }
    return 0;
}

char *args_first(struct args *args)
{
    char *first = args->at[0];
    args->at++;
    args->count--;
    return first;
}

char *args_last(struct args *args)
{
    return args->at[--args->count];
}
