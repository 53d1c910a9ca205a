/* web.c - pages over a real socket, and the pieces they are made of. */
#include "common/web/web.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "common/conf/conf.h"

static const char *text_of(struct buf *b)
{
    cr_assert_eq(buf_append(b, "", 1), 0);
    return (const char *)buf_head(b);
}

Test(text, escapes)
{
    struct buf b = {0};
    cr_assert_eq(web_put_html(&b, "<a href=\"x\">&'"), 0);
    cr_assert_str_eq(text_of(&b), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    buf_clear(&b);
    cr_assert_eq(web_put_json(&b, "a\"b\\c\nd"), 0);
    cr_assert_str_eq(text_of(&b), "\"a\\\"b\\\\c\\u000ad\"");
    buf_clear(&b);
    cr_assert_eq(web_put_bytes(&b, 1023), 0);
    cr_assert_eq(web_put_bytes(&b, 1536), 0);
    cr_assert_eq(web_put_bytes(&b, UINT64_MAX), 0);
    cr_assert_str_eq(text_of(&b), "1023 B1.50 KB16.00 EB");
    buf_fini(&b);
}

Test(text, which_beans)
{
    cr_assert(web_wants(NULL, "Hadoop:service=NameNode,name=NameNodeInfo"));
    cr_assert(web_wants("Hadoop:*", "Hadoop:service=NameNode,name=NameNodeInfo"));
    cr_assert(web_wants("Hadoop:service=NameNode,name=NameNodeInfo",
                        "Hadoop:service=NameNode,name=NameNodeInfo"));
    cr_assert(!web_wants("java.lang:type=Memory", "Hadoop:service=NameNode,name=NameNodeInfo"));
    cr_assert(web_wants("*:*,name=?ameNodeInfo*", "Hadoop:service=NameNode,name=NameNodeInfo"));
    cr_assert(!web_wants("Hadoop:?", "Hadoop:"));
}

/* Whoever asks gives the pattern: it must not keep the server's only thread busy. */
Test(text, a_nasty_pattern_takes_no_time, .timeout = 10)
{
    char pattern[200] = "";
    for (size_t i = 0; i + 3 < sizeof(pattern); i += 2)
        memcpy(pattern + i, "*e", 3);
    strcat(pattern, "!");
    cr_assert(!web_wants(pattern,
                         "Hadoop:service=NameNode,name=NameNodeeeeeeeeeeeeeeeeeeeeeeeeeee"
                         "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
                         "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"));
}

Test(text, counters_have_help_and_type)
{
    struct buf b = {0};
    cr_assert_eq(web_put_counters(&b), 0);
    const char *text = text_of(&b);
    cr_assert(strstr(text, "# HELP hadron_rpc_calls_total ") != NULL);
    cr_assert(strstr(text, "# TYPE hadron_rpc_calls_total counter\nhadron_rpc_calls_total 0\n") !=
              NULL);
    buf_fini(&b);
}

static int hello(void *ctx, const char *query, struct buf *out)
{
    if (query != NULL && strcmp(query, "not yet") == 0)
        return ERR_BUSY;
    return buf_printf(out, "hello %s %s", (const char *)ctx, query != NULL ? query : "-");
}

static char answer[4096];

static void ask(const struct web *w, const char *request)
{
    struct addr to = {.host = "127.0.0.1", .port = web_port(w)};
    struct err err = {0};
    int fd;
    size_t n = 0;
    cr_assert_eq(sock_connect(&to, 2000, &fd, &err), 0, "%s", err.text);
    cr_assert_eq(sock_set_timeouts(fd, 5000, 5000, &err), 0);
    cr_assert_eq(sock_write_full(fd, request, strlen(request), &err), 0);
    for (ssize_t got;
         n < sizeof(answer) - 1 && (got = read(fd, answer + n, sizeof(answer) - 1 - n)) > 0;)
        n += (size_t)got;
    answer[n] = '\0';
    close(fd);
}

Test(web, pages_and_errors)
{
    static const struct web_page pages[] = {{"/", "text/plain", hello, NULL}};
    struct web_options o = {.listen = {.host = "127.0.0.1"},
                            .pages = pages,
                            .page_count = 1,
                            .ctx = (void *)(uintptr_t) "world"};
    struct web *w = NULL;
    struct err err = {0};
    cr_assert_eq(web_start(&o, &w, &err), 0, "%s", err.text);
    ask(w, "GET /?qry=a%20b HTTP/1.0\r\n\r\n");
    cr_assert(strstr(answer, " 200 OK") != NULL && strstr(answer, "hello world a b") != NULL, "%s",
              answer);
    ask(w, "HEAD / HTTP/1.0\r\n\r\n");
    cr_assert(strstr(answer, " 200 OK") != NULL && strstr(answer, "hello") == NULL, "%s", answer);
    ask(w, "GET /?qry=not%20yet HTTP/1.0\r\n\r\n");
    cr_assert(strstr(answer, " 503 ") != NULL, "%s", answer);
    ask(w, "GET /fsck HTTP/1.0\r\n\r\n");
    cr_assert(strstr(answer, " 404 ") != NULL && strstr(answer, "text/plain") != NULL, "%s",
              answer);
    ask(w, "PUT /webhdfs/v1/x?op=CREATE HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc");
    cr_assert(strstr(answer, " 405 ") != NULL, "%s", answer);
    ask(w, "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n");
    cr_assert(strstr(answer, " 400 ") != NULL, "%s", answer);
    web_stop(w);
}

Test(web, only_loopback_unless_allowed)
{
    struct conf *conf = conf_new();
    struct addr addr;
    struct err err = {0};
    cr_assert_eq(web_address(conf, "k", "0.0.0.0:9870", false, "", 9870, &addr, &err), 0);
    cr_assert_str_eq(addr.host, "127.0.0.1");
    cr_assert_eq(web_address(conf, "k", "0.0.0.0:9870", true, "", 9870, &addr, &err), ERR_CONFIG);
    cr_assert_eq(web_address(conf, "k", "127.0.0.1:1", true, "", 9870, &addr, &err), 0);
    cr_assert_eq(web_address(conf, "k", "127.0.0.1:1", true, "0.0.0.0", 9870, &addr, &err),
                 ERR_CONFIG);
    cr_assert_eq(conf_set(conf, "hadron.insecure.network", "true", &err), 0);
    cr_assert_eq(web_address(conf, "k", "0.0.0.0:9870", true, "", 9870, &addr, &err), 0);
    cr_assert_str_eq(addr.host, "0.0.0.0");
    cr_assert_eq(addr.port, 9870);
    conf_free(conf);
}
