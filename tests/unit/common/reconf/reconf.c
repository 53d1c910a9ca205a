/* reconf.c - a run applies what differs, keeps what it can't apply, and says both. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/reconf/reconf.h"

struct server {
    char dir[64], file[96];
    int64_t heartbeat_ms;
    int refusals;
};

static int set_heartbeat(void *ctx, const struct conf *now, struct err *err)
{
    (void)err;
    ((struct server *)ctx)->heartbeat_ms = conf_ms(now, CONF_heartbeat_interval);
    return 0;
}

static int refuse(void *ctx, const struct conf *now, struct err *err)
{
    (void)now;
    ((struct server *)ctx)->refusals++;
    return fail(err, ERR_IO, "not today");
}

static const struct reconf_key keys[] = {{"dfs.heartbeat.interval", set_heartbeat},
                                         {"fs.protected.directories", refuse}};

static void write_conf(struct server *s, const char *properties)
{
    FILE *f = fopen(s->file, "w");
    cr_assert_not_null(f);
    fprintf(f, "<configuration>%s</configuration>", properties);
    fclose(f);
}

#define P(name, value) "<property><name>" name "</name><value>" value "</value></property>"

static void init(struct server *s, struct conf **conf, struct reconf **r)
{
    struct err err = {0};
    snprintf(s->dir, sizeof(s->dir), "/tmp/reconf-XXXXXX");
    cr_assert_not_null(mkdtemp(s->dir));
    snprintf(s->file, sizeof(s->file), "%s/hdfs-site.xml", s->dir);
    write_conf(s, P("dfs.heartbeat.interval", "3") P("dfs.blocksize", "1048576"));
    *conf = conf_new();
    cr_assert_eq(conf_add_dir(*conf, s->dir, &err), 0, "%s", err.text);
    cr_assert_eq(conf_set(*conf, "dfs.replication", "2", &err), 0);
    cr_assert_eq(conf_finish(*conf, &err), 0);
    struct reconf_options o = {*conf, keys, ARRAY_SIZE(keys), s};
    cr_assert_eq(reconf_new(&o, r, &err), 0, "%s", err.text);
}

static void fini(struct server *s, struct conf *conf, struct reconf *r)
{
    reconf_free(r);
    conf_free(conf);
    unlink(s->file);
    rmdir(s->dir);
}

struct seen {
    bool over;
    size_t count;
    char text[1000];
};

static void see(void *ctx, const struct reconf_status *s)
{
    struct seen *seen = ctx;
    seen->over = s->end_ms != 0;
    seen->count = s->change_count;
    seen->text[0] = '\0';
    for (size_t i = 0; i < s->change_count; i++) {
        const struct reconf_change *c = &s->changes[i];
        size_t n = strlen(seen->text);
        snprintf(seen->text + n, sizeof(seen->text) - n, "%s %s->%s %s|", c->name, c->old_value,
                 c->new_value == NULL ? "null" : c->new_value, c->error == NULL ? "ok" : c->error);
    }
}

static void run(struct reconf *r, struct seen *seen)
{
    struct err err = {0};
    cr_assert_eq(reconf_start(r, &err), 0, "%s", err.text);
    do {
        usleep(1000);
        reconf_look(r, see, seen);
    } while (!seen->over);
}

Test(reconf, applies_what_differs)
{
    struct server s = {0};
    struct conf *conf;
    struct reconf *r;
    struct seen seen = {0};
    init(&s, &conf, &r);
    reconf_look(r, see, &seen);
    cr_assert(!seen.over);
    run(r, &seen);
    cr_assert_str_eq(seen.text, "");
    write_conf(&s, P("dfs.heartbeat.interval", "7") P("dfs.replication", "1"));
    run(r, &seen);
    cr_assert_eq(s.heartbeat_ms, 7000);
    /* the single setting stays over the file; an unset key has its default again */
    cr_assert_str_eq(seen.text, "dfs.blocksize 1048576->128m Property dfs.blocksize is not "
                                "reconfigurable|dfs.heartbeat.interval 3->7 ok|");
    run(r, &seen);
    cr_assert_eq(seen.count, 1, "%s", seen.text);
    fini(&s, conf, r);
}

Test(reconf, the_same_key_again_and_again)
{
    struct server s = {0};
    struct conf *conf;
    struct reconf *r;
    struct seen seen = {0};
    init(&s, &conf, &r);
    write_conf(&s, P("dfs.heartbeat.interval", "7") P("dfs.blocksize", "1048576"));
    run(r, &seen);
    cr_assert_str_eq(seen.text, "dfs.heartbeat.interval 3->7 ok|");
    write_conf(&s, P("dfs.heartbeat.interval", "9") P("dfs.blocksize", "1048576"));
    run(r, &seen);
    cr_assert_str_eq(seen.text, "dfs.heartbeat.interval 7->9 ok|");
    cr_assert_eq(s.heartbeat_ms, 9000);
    write_conf(&s, P("dfs.blocksize", "1048576"));
    run(r, &seen);
    cr_assert_str_eq(seen.text, "dfs.heartbeat.interval 9->3 ok|");
    run(r, &seen);
    cr_assert_str_eq(seen.text, "");
    fini(&s, conf, r);
}

Test(reconf, what_fails_is_tried_again)
{
    struct server s = {0};
    struct conf *conf;
    struct reconf *r;
    struct seen seen = {0};
    init(&s, &conf, &r);
    write_conf(&s, P("dfs.heartbeat.interval", "soon") P("dfs.blocksize", "1048576")
                       P("fs.protected.directories", "/a"));
    for (int i = 1; i <= 2; i++) {
        run(r, &seen);
        cr_assert_eq(seen.count, 2);
        cr_assert_not_null(strstr(seen.text, "fs.protected.directories ->/a not today|"));
        cr_assert_null(strstr(seen.text, " ok|"));
        cr_assert_eq(s.heartbeat_ms, 0);
        cr_assert_eq(s.refusals, i);
    }
    write_conf(&s, "no xml <");
    run(r, &seen);
    cr_assert_eq(seen.count, 1);
    cr_assert_null(strstr(seen.text, " ok|"));
    fini(&s, conf, r);
}

Test(reconf, ends_with_the_server)
{
    struct server s = {0};
    struct conf *conf;
    struct reconf *r;
    struct err err = {0};
    init(&s, &conf, &r);
    reconf_stop(r);
    cr_assert_eq(reconf_start(r, &err), ERR_IO);
    cr_assert_str_eq(err.text, "The server is stopped.");
    fini(&s, conf, r);
}
