/* options.c - the balancer's command line. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/balancer/internal.h"

static struct balancer_options o;
static struct err err;

static int parse(const char *a, const char *b, const char *c, const char *d)
{
    const char *all[] = {a, b, c, d};
    int count = 0;
    while (count < 4 && all[count] != NULL)
        count++;
    err = (struct err){0};
    return balancer_parse(count, (char **)(uintptr_t)all, &o, &err);
}

static void silence(void)
{
    cr_redirect_stderr();
}

static void fini(void)
{
    balancer_fini(&o);
}

TestSuite(options, .init = silence, .fini = fini);

Test(options, defaults)
{
    cr_assert_eq(parse(NULL, NULL, NULL, NULL), 0);
    cr_assert_eq(o.threshold, 10);
    cr_assert_eq(o.idle_iterations, 5);
    cr_assert(!o.by_pool && !o.as_service && !o.during_upgrade);
}

Test(options, wrong_ones)
{
    cr_assert_eq(parse("-threshold", "0.9", NULL, NULL), ERR_CONFIG);
    cr_assert_str_eq(err.text, "Number out of range: threshold = 0.9");
    cr_assert_eq(parse("-threshold", NULL, NULL, NULL), ERR_CONFIG);
    cr_assert_str_eq(err.text, "Threshold value is missing: args = [-threshold]");
    cr_assert_eq(parse("-threshold", "5x", NULL, NULL), ERR_CONFIG);
    cr_assert_eq(parse("-policy", "rack", NULL, NULL), ERR_CONFIG);
    cr_assert_eq(parse("-what", NULL, NULL, NULL), ERR_CONFIG);
    cr_assert_str_eq(err.text, "args = [-what]");
    cr_assert_eq(parse("-include", "a", "-exclude", "b"), ERR_CONFIG);
    cr_assert_str_eq(err.text, "-exclude and -include options cannot be specified together.");
}

Test(options, hosts_by_name_address_and_port)
{
    struct move_node n = {
        .host = (char *)(uintptr_t) "h1", .ip = (char *)(uintptr_t) "10.0.0.1", .xfer_port = 9866};
    cr_assert_eq(parse("-EXCLUDE", "h2, h1:9866", NULL, NULL), 0);
    cr_assert_eq(o.excluded.count, 2);
    cr_assert(host_list_has(&o.excluded, &n));
    balancer_fini(&o);
    cr_assert_eq(parse("-source", "10.0.0.1", NULL, NULL), 0);
    cr_assert(host_list_has(&o.sources, &n));
    balancer_fini(&o);
    cr_assert_eq(parse("-source", "h1:1,10.0.0.11", NULL, NULL), 0);
    cr_assert(!host_list_has(&o.sources, &n));
}

Test(options, hosts_of_a_file)
{
    char path[] = "/tmp/balancer-unit-XXXXXX";
    static const char text[] = "h1 h2\n# h3\nh4#h5\n\n";
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
    close(fd);
    cr_assert_eq(parse("-include", "-f", path, NULL), 0, "%s", err.text);
    cr_assert_eq(o.included.count, 3);
    cr_assert_str_eq(o.included.items[2], "h4");
    unlink(path);
    balancer_fini(&o);
    cr_assert_eq(parse("-include", "-f", path, NULL), ERR_CONFIG);
}
