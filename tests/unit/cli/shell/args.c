/* args.c - options and operands by Hadoop's rules. */
#include <criterion/criterion.h>
#include <string.h>

#include "cli/shell/shell.h"

static const struct command row = {.name = "x",
                                   .replacement = "",
                                   .min = 1,
                                   .max = 2,
                                   .options = "f t= -long",
                                   .usage = "",
                                   .help = ""};

static int parse(const struct command *c, struct args *args, struct options *o, struct err *err)
{
    struct shell sh = {.command = c};
    return options_parse(&sh, args, o, err);
}

#define ARGS(...)                                                                             \
    const char *words[] = {__VA_ARGS__, NULL};                                                \
    struct args args = {.at = (char **)words, .count = sizeof(words) / sizeof(words[0]) - 1}; \
    struct options o;                                                                         \
    struct err err = {0}

Test(options, flags_and_operands)
{
    ARGS("-f", "--long", "a", "-f");
    cr_assert_eq(parse(&row, &args, &o, &err), 0);
    cr_assert(option_on(&o, "f"));
    cr_assert(option_on(&o, "-long"));
    cr_assert_null(option_value(&o, "t"));
    cr_assert_eq(args.count, 2); /* behind an operand nothing is an option */
    cr_assert_str_eq(args.at[1], "-f");
}

Test(options, values)
{
    ARGS("-t", "5", "a");
    cr_assert_eq(parse(&row, &args, &o, &err), 0);
    cr_assert_str_eq(option_value(&o, "t"), "5");
    cr_assert_eq(args.count, 1);
}

Test(options, a_value_never_takes_the_last_operand)
{
    ARGS("-t", "a");
    cr_assert_eq(parse(&row, &args, &o, &err), 0);
    cr_assert_str_eq(option_value(&o, "t"), "");
    cr_assert_eq(args.count, 1);
}

Test(options, dashes)
{
    ARGS("--", "-f");
    cr_assert_eq(parse(&row, &args, &o, &err), 0);
    cr_assert(!option_on(&o, "f"));
    cr_assert_str_eq(args.at[0], "-f");
}

Test(options, a_single_dash_is_an_operand)
{
    ARGS("-", "b");
    cr_assert_eq(parse(&row, &args, &o, &err), 0);
    cr_assert_eq(args.count, 2);
}

Test(options, refuses)
{
    ARGS("-z", "a");
    cr_assert_eq(parse(&row, &args, &o, &err), ERR_ILLEGAL_ARGUMENT);
    cr_assert_str_eq(err.text, "Illegal option -z");
    args = (struct args){.at = (char **)words, .count = 0};
    cr_assert_eq(parse(&row, &args, &o, &err), ERR_ILLEGAL_ARGUMENT);
    cr_assert_str_eq(err.text, "Not enough arguments: expected 1 but got 0");
    const char *three[] = {"a", "b", "c"};
    args = (struct args){.at = (char **)three, .count = 3};
    cr_assert_eq(parse(&row, &args, &o, &err), ERR_ILLEGAL_ARGUMENT);
    cr_assert_str_eq(err.text, "Too many arguments: expected 2 but got 3");
}

Test(options, unknown_ones_may_be_left)
{
    struct command lenient = row;
    lenient.options = "R *";
    ARGS("-w", "-R", "a");
    cr_assert_eq(parse(&lenient, &args, &o, &err), 0);
    cr_assert(option_on(&o, "R"));
    cr_assert_eq(args.count, 2);
    cr_assert_str_eq(args.at[0], "-w");
}
