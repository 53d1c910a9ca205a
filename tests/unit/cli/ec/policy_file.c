/* policy_file.c - files of erasure coding policies: what they may say, and what is told of those
 * that say something else. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cli/ec/ec.h"
#include "common/base/base.h"

static struct dfs_ec_policies all;
static struct err err;

static void teardown(void)
{
    dfs_ec_policies_free(&all);
    err = (struct err){0};
}

TestSuite(policy_file, .fini = teardown);

static int parse(const char *text)
{
    return policy_file_parse("p.xml", text, strlen(text), &all, &err);
}

#define FILE_OF(schemas, policies)                                           \
    "<configuration>\n<layoutversion> 1 </layoutversion>\n<schemas>" schemas \
    "</schemas>\n<policies>" policies "</policies>\n</configuration>"
#define SCHEMA(id, codec, k, m) \
    "<schema id='" id "'><codec>" codec "</codec><k>" k "</k><m>" m "</m></schema>"
#define POLICY(schema, cell) \
    "<policy><schema>" schema "</schema><cellsize>" cell "</cellsize></policy>"

#define REFUSED(xml, code, wanted)                                              \
    do {                                                                        \
        cr_assert_eq(parse(xml), (code), "%s", err.text);                       \
        cr_assert_not_null(strstr(err.text, wanted), "%s", err.text);           \
        cr_assert_eq(strncmp(err.text, "p.xml:", 6), 0, "where? %s", err.text); \
        cr_assert_eq(all.count, 0);                                             \
    } while (0)

Test(policy_file, what_it_says)
{
    const char *text = FILE_OF(SCHEMA("a", "rs", " 4 ", "2") SCHEMA("b", "rs-legacy", "3", "1"),
                               POLICY("b", "1024") POLICY("a", "65536") POLICY("a", "65536"));
    cr_assert_eq(parse(text), 0, "%s", err.text);
    cr_assert_eq(all.count, 2, "the same one twice counts once");
    cr_assert_str_eq(all.items[0].name, "RS-LEGACY-3-1-1k");
    cr_assert_str_eq(all.items[1].name, "RS-4-2-64k");
    cr_assert_str_eq(all.items[1].codec, "rs");
    cr_assert_eq(all.items[1].data_units, 4);
    cr_assert_eq(all.items[1].parity_units, 2);
    cr_assert_eq(all.items[1].cell_size, 65536);
}

Test(policy_file, options_and_order)
{
    cr_assert_eq(
        parse("<configuration><policies>" POLICY(
            "x", "2048") "</policies><schemas>"
                         "<schema id='x'><numDataUnits>2</numDataUnits><m>1</m><codec>xor</codec>"
                         "<speed>high &amp; low</speed></schema></schemas>"
                         "<layoutversion>1</layoutversion></configuration>"),
        0, "%s", err.text);
    cr_assert_eq(all.items[0].option_count, 1);
    cr_assert_str_eq(all.items[0].options[0], "speed");
    cr_assert_str_eq(all.items[0].options[1], "high & low");
}

Test(policy_file, parts_that_are_missing)
{
    REFUSED("<x/>", ERR_CONFIG, "top-level element not <configuration>");
    REFUSED("<configuration/>", ERR_CONFIG, "no <layoutVersion> element");
    REFUSED("<configuration><layoutversion>1</layoutversion></configuration>", ERR_CONFIG,
            "no <schemas> element");
    REFUSED("<configuration><layoutversion>1</layoutversion><schemas/></configuration>", ERR_CONFIG,
            "no <policies> element");
    REFUSED("<configuration>", ERR_CONFIG, "no element found");
    REFUSED("", ERR_CONFIG, "no element found");
}

Test(policy_file, numbers_that_are_none)
{
    REFUSED("<configuration><layoutversion>2</layoutversion></configuration>", ERR_CONFIG,
            "bad layoutversion value");
    REFUSED("<configuration><layoutversion>x</layoutversion></configuration>", ERR_ILLEGAL_ARGUMENT,
            "Bad layoutVersion value x is found. It should be an integer");
    REFUSED("<configuration><layoutversion/></configuration>", ERR_ILLEGAL_ARGUMENT,
            "Value of <layoutVersion> is null");
    REFUSED(FILE_OF(SCHEMA("a", "rs", "4x", "2"), ""), ERR_ILLEGAL_ARGUMENT,
            "Option value 4x for numDataUnits is found. It should be an integer");
    REFUSED(FILE_OF(SCHEMA("a", "rs", "4", "99999999999"), ""), ERR_ILLEGAL_ARGUMENT,
            "for numParityUnits is found");
    REFUSED(FILE_OF(SCHEMA("a", "rs", "4", "0"), ""), ERR_ILLEGAL_ARGUMENT,
            "Bad option value 0 found for numParityUnits");
    REFUSED(FILE_OF("<schema id='a'><codec>rs</codec><k>4</k></schema>", ""), ERR_ILLEGAL_ARGUMENT,
            "No good option for numDataUnits or numParityUnits found");
    REFUSED(FILE_OF("<schema id='a'><k>4</k><m>2</m></schema>", ""), ERR_ILLEGAL_ARGUMENT,
            "No codec option is provided");
    REFUSED(FILE_OF("<schema id='a'/>", ""), ERR_ILLEGAL_ARGUMENT, "No schema options");
    REFUSED(FILE_OF("<schema id='a'><codec/></schema>", ""), ERR_ILLEGAL_ARGUMENT,
            "Value of <codec> is null");
}

Test(policy_file, policies_that_are_none)
{
    REFUSED(FILE_OF(SCHEMA("a", "rs", "4", "2"), POLICY("b", "1024")), ERR_CONFIG,
            "there is no such schema");
    REFUSED(FILE_OF(SCHEMA("a", "rs", "4", "2"), "<policy><schema>a</schema></policy>"), ERR_CONFIG,
            "it has no cellsize");
    REFUSED(FILE_OF(SCHEMA("a", "rs", "4", "2"), POLICY("a", "-1024")), ERR_CONFIG, "cellsize");
    REFUSED(FILE_OF(SCHEMA("a", "rs", "4", "2"), POLICY("a", "1000")), ERR_ILLEGAL_ARGUMENT,
            "cellSize must be 1024 aligned");
    REFUSED(FILE_OF(SCHEMA("a", "rs", "4", "2"), POLICY("a", "1k")), ERR_ILLEGAL_ARGUMENT,
            "Bad EC policy cellsize value 1k is found");
    REFUSED(FILE_OF(SCHEMA("a", "rs", "4", "2") SCHEMA("b", "rs", "4", "2"), ""), ERR_CONFIG,
            "Repetitive schemas in EC policy configuration file: b");
    REFUSED(FILE_OF("<x/>", ""), ERR_CONFIG, "Bad element in EC policy configuration file: x");
    REFUSED(FILE_OF("", "<x/>"), ERR_CONFIG, "Bad element in EC policy configuration file: x");
}

Test(policy_file, what_would_make_it_grow)
{
    REFUSED("<!DOCTYPE x [<!ENTITY a 'b'>]><configuration>&a;</configuration>", ERR_CONFIG,
            "entity declarations");
    REFUSED(FILE_OF("<schema id='a'><codec><x/></codec></schema>", ""), ERR_CONFIG, "too deep");
    static char text[16384];
    size_t n = (size_t)snprintf(text, sizeof(text), "<configuration><schemas><schema><codec>");
    memset(text + n, 'x', 8192);
    REFUSED(text, ERR_CONFIG, "a value has more than");
}
