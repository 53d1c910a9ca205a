#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io/io.h"

static char dir[64];
static struct err err;

static void make_dir(void)
{
    snprintf(dir, sizeof(dir), "/tmp/hadron-io-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void remove_dir(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(files, .init = make_dir, .fini = remove_dir);

static const char *in_dir(const char *name)
{
    static char path[2][256];
    static int next;
    next = !next;
    snprintf(path[next], sizeof(path[next]), "%s/%s", dir, name);
    return path[next];
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(in_dir(name), "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
}

static void assert_content(const char *name, const char *want)
{
    struct buf b = {0};
    cr_assert_eq(file_read(in_dir(name), 1000, &b, &err), 0, "%s", err.text);
    cr_assert_eq(buf_size(&b), strlen(want));
    cr_assert(memcmp(buf_head(&b), want, strlen(want)) == 0);
    buf_fini(&b);
}

Test(files, durable_write_replaces_and_leaves_nothing_behind)
{
    cr_assert_eq(durable_write_file(in_dir("f"), "one", 3, &err), 0, "%s", err.text);
    cr_assert_eq(durable_write_file(in_dir("f"), "second", 6, &err), 0);
    assert_content("f", "second");
    cr_assert_eq(access(in_dir("f.tmp"), F_OK), -1);
    cr_assert_eq(durable_write_file(in_dir("no/such/f"), "x", 1, &err), ERR_NOT_FOUND);
    cr_assert(strstr(err.text, "no/such/f") != NULL);
}

Test(files, a_failed_replacement_keeps_the_old_file)
{
    cr_assert_eq(durable_mkdirs(in_dir("d/sub"), 0700, &err), 0);
    cr_assert_neq(durable_write_file(in_dir("d"), "x", 1, &err), 0); /* a folder is in the way */
    cr_assert_eq(access(in_dir("d/sub"), F_OK), 0);
    cr_assert_eq(access(in_dir("d.tmp"), F_OK), -1);
}

Test(files, mkdirs)
{
    struct stat st;
    cr_assert_eq(durable_mkdirs(in_dir("a/b/c/"), 0700, &err), 0, "%s", err.text);
    cr_assert_eq(durable_mkdirs(in_dir("a/b/c"), 0700, &err), 0);
    cr_assert_eq(stat(in_dir("a/b/c"), &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0700);
    put("file", "x");
    cr_assert_eq(durable_mkdirs(in_dir("file"), 0700, &err), ERR_NOT_DIR);
    cr_assert_eq(durable_mkdirs(in_dir("file/below"), 0700, &err), ERR_NOT_DIR);
}

Test(files, read_is_bounded)
{
    struct buf b = {0};
    put("f", "0123456789");
    cr_assert_eq(file_read(in_dir("f"), 9, &b, &err), ERR_CORRUPT);
    buf_fini(&b);
    b = (struct buf){0};
    cr_assert_eq(file_read(in_dir("f"), 10, &b, &err), 0);
    cr_assert_eq(buf_size(&b), 10);
    buf_fini(&b);
    cr_assert_eq(file_read(in_dir("none"), 10, &b, &err), ERR_NOT_FOUND);
    cr_assert_null(b.data);
}

Test(files, lock_conflicts_between_processes)
{
    int go[2], fd;
    char c;
    cr_assert_eq(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        int held;
        bool locked = lock_dir(dir, &held, NULL) == 0;
        (void)!write(go[1], locked ? "y" : "n", 1);
        pause();
        _exit(0);
    }
    cr_assert_eq(read(go[0], &c, 1), 1);
    cr_assert_eq(c, 'y');
    cr_assert_eq(lock_dir(dir, &fd, &err), ERR_LOCKED);
    char holder[32];
    snprintf(holder, sizeof(holder), "%d@", (int)child);
    cr_assert(strstr(err.text, holder) != NULL, "%s", err.text);
    cr_assert(strstr(err.text, dir) != NULL, "%s", err.text);
    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    cr_assert_eq(lock_dir(dir, &fd, &err), 0, "%s", err.text);
    close(fd);
}

Test(files, lock_conflicts_within_a_process_and_ends_with_its_descriptor)
{
    int first, second;
    cr_assert_eq(lock_dir(dir, &first, &err), 0, "%s", err.text);
    cr_assert_eq(lock_dir(dir, &second, &err), ERR_LOCKED);
    close(open(in_dir("in_use.lock"), O_RDONLY)); /* would drop a POSIX lock */
    cr_assert_eq(lock_dir(dir, &second, &err), ERR_LOCKED);
    close(first);
    cr_assert_eq(lock_dir(dir, &second, &err), 0);
    close(second);
    cr_assert_eq(lock_dir(in_dir("none"), &second, &err), ERR_NOT_FOUND);
}

Test(files, lock_conflicts_with_the_posix_lock_of_java)
{
    int fd;
    cr_assert_eq(lock_dir(dir, &fd, &err), 0);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int other = open(in_dir("in_use.lock"), O_RDWR);
    cr_assert_eq(fcntl(other, F_SETLK, &lock), -1);
    close(other);
    close(fd);
}

static void assert_property(const struct properties *p, const char *name, const char *want)
{
    const char *got = properties_get(p, name);
    cr_assert_not_null(got, "%s is missing", name);
    cr_assert_str_eq(got, want);
}

Test(files, properties_as_java_reads_them)
{
    struct properties p = {0};
    put("VERSION", "#Thu Jan 01 00:00:00 UTC 1970\r\n"
                   "! also a comment\n"
                   "\n"
                   "cTime=0\n"
                   "  layoutVersion = -66  \n"
                   "clusterID:CID-1\n"
                   "address=10.0.0.1\\:9866\r\n"
                   "path\\ with\\=signs\\:in value\n"
                   "long=one, \\\n      two\n"
                   "even=ends\\\\\n"
                   "tab=\\ta\\u00e9\\ud83d\\ude00\\q\n"
                   "latin=\xe9\n"
                   "empty=\n"
                   "alone\n"
                   "cTime=7\n"
                   "#last=\\\n"
                   "torn=x\\");
    cr_assert_eq(properties_read(in_dir("VERSION"), &p, &err), 0, "%s", err.text);
    assert_property(&p, "cTime", "7");
    assert_property(&p, "layoutVersion", "-66  ");
    assert_property(&p, "clusterID", "CID-1");
    assert_property(&p, "address", "10.0.0.1:9866");
    assert_property(&p, "path with=signs:in", "value");
    assert_property(&p, "long", "one, two");
    assert_property(&p, "even", "ends\\");
    assert_property(&p, "tab", "\ta\xc3\xa9\xf0\x9f\x98\x80q");
    assert_property(&p, "latin", "\xc3\xa9");
    assert_property(&p, "empty", "");
    assert_property(&p, "alone", "");
    assert_property(&p, "torn", "x");
    cr_assert_null(properties_get(&p, "last"));
    cr_assert_eq(p.count, 12);
    properties_fini(&p);
}

Test(files, properties_round_trip)
{
    static const char *const values[][2] = {
        {"blockpoolID", "BP-1-127.0.0.1-99"}, {"storageID", "DS-a:b=c#d!e\\f"},
        {"a key:with=all", " two  blanks "},  {"unicode", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"},
        {"lines", "a\nb\tc\rd\fe"},           {"none", ""}};
    struct properties p = {0}, q = {0};
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        cr_assert_eq(properties_set(&p, values[i][0], "first"), 0);
        cr_assert_eq(properties_set(&p, values[i][0], values[i][1]), 0);
    }
    cr_assert_eq(properties_write(in_dir("P"), &p, &err), 0, "%s", err.text);
    cr_assert_eq(properties_read(in_dir("P"), &q, &err), 0, "%s", err.text);
    cr_assert_eq(q.count, ARRAY_SIZE(values));
    for (size_t i = 0; i < ARRAY_SIZE(values); i++)
        assert_property(&q, values[i][0], values[i][1]);
    properties_fini(&p);
    properties_fini(&q);
}

Test(files, properties_are_written_as_java_writes_them)
{
    struct properties p = {0};
    struct buf b = {0};
    cr_assert_eq(properties_set(&p, "address", "h:1 a\xc3\xa9"), 0);
    cr_assert_eq(properties_write(in_dir("P"), &p, &err), 0);
    cr_assert_eq(file_read(in_dir("P"), 1000, &b, &err), 0);
    cr_assert_eq(buf_append(&b, "", 1), 0);
    const char *text = (const char *)buf_head(&b);
    cr_assert_eq(text[0], '#');
    cr_assert_str_eq(strchr(text, '\n') + 1, "address=h\\:1 a\\u00E9\n");
    buf_fini(&b);
    properties_fini(&p);
}

Test(files, bad_properties_are_errors)
{
    static const char *const bad[] = {"a=\\u12", "a=\\uzzzz", "a=\\ud800x", "a=\\udc00",
                                      "a=\\u0000"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct properties p = {0};
        put("P", bad[i]);
        cr_assert_eq(properties_read(in_dir("P"), &p, &err), ERR_CORRUPT, "%s", bad[i]);
        cr_assert(strstr(err.text, dir) != NULL);
        cr_assert_null(p.items);
    }
    struct properties p = {0};
    cr_assert_eq(properties_set(&p, "a", "\xff"), 0);
    cr_assert_neq(properties_write(in_dir("Q"), &p, &err), 0);
    cr_assert_eq(access(in_dir("Q"), F_OK), -1);
    properties_fini(&p);
}
