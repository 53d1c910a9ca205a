/* commands.c - whole commands on the local disk: outputs, errors, exit codes. What they print on
 * HDFS is compared with Hadoop's shell by tests/integration/shell_compare. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/fs/fs.h"
#include "common/base/base.h"

static char dir[64];

static void set_up(void)
{
    strcpy(dir, "/tmp/cli-fs-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(chdir(dir), 0);
}

static void tear_down(void)
{
    auto_text command = text_printf("rm -rf %s", dir);
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(system(command), 0);
}

struct outcome {
    int code;
    char *out, *err;
};

static void outcome_fini(struct outcome *o)
{
    free(o->out);
    free(o->err);
}

#define auto_outcome __attribute__((cleanup(outcome_fini))) struct outcome

/* Runs one command line with the local disk as the default file system. */
static struct outcome run_words(const char **words)
{
    static const char *const none[] = {NULL};
    struct outcome o = {0};
    size_t out_size, err_size;
    int count = 0;
    while (words[count] != NULL)
        count++;
    struct conf *conf = conf_new();
    struct stores *stores = stores_new(conf, none);
    struct shell sh;
    shell_init(&sh, stores, fs_commands, fs_command_count);
    sh.out = open_memstream(&o.out, &out_size);
    sh.err = open_memstream(&o.err, &err_size);
    o.code = shell_run(&sh, count, (char **)words);
    fclose(sh.out);
    fclose(sh.err);
    shell_fini(&sh);
    stores_free(stores);
    conf_free(conf);
    return o;
}

#define run(...) run_words((const char *[]){__VA_ARGS__, NULL})

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
}

static void expect_file(const char *name, const char *want)
{
    char have[256] = "";
    FILE *f = fopen(name, "r");
    cr_assert_not_null(f, "%s is not there", name);
    have[fread(have, 1, sizeof(have) - 1, f)] = '\0';
    fclose(f);
    cr_assert_str_eq(have, want);
}

TestSuite(commands, .init = set_up, .fini = tear_down);

Test(commands, both_forms_and_unknown_ones)
{
    auto_outcome a = run("-mkdir", "a");
    auto_outcome b = run("mkdir", "b");
    auto_outcome c = run("-nonsense");
    cr_assert_eq(a.code, 0);
    cr_assert_eq(b.code, 0);
    cr_assert_eq(c.code, 255);
    cr_assert(strncmp(c.err, "-nonsense: Unknown command\nUsage: hadoop fs [generic options]\n",
                      62) == 0);
}

Test(commands, an_error_does_not_stop_the_rest)
{
    auto_outcome o = run("-mkdir", "x", "no/y", "z");
    cr_assert_eq(o.code, 1);
    cr_assert(strstr(o.err, "no': No such file or directory") != NULL, "%s", o.err);
    cr_assert_eq(access("z", F_OK), 0);
}

Test(commands, put_goes_into_folders_and_never_over_files)
{
    write_file("f", "one");
    mkdir("d", 0755);
    auto_outcome a = run("-put", "f", "d");
    auto_outcome b = run("-put", "f", "d");
    auto_outcome c = run("-put", "-f", "f", "d");
    auto_outcome d = run("-put", "f", "no/where");
    cr_assert_eq(a.code, 0);
    expect_file("d/f", "one");
    cr_assert_eq(b.code, 1);
    cr_assert_str_eq(b.err, "put: `d/f': File exists\n");
    cr_assert_eq(c.code, 0);
    cr_assert_eq(d.code, 1);
    cr_assert_eq(access("d/f._COPYING_", F_OK), -1);
}

Test(commands, trees_are_copied_with_threads_too)
{
    mkdir("t", 0755);
    mkdir("t/u", 0755);
    for (int i = 0; i < 20; i++) {
        auto_text name = text_printf("t/%s%d", i % 2 ? "u/" : "", i);
        write_file(name, name);
    }
    auto_outcome a = run("-cp", "t", "copy");
    auto_outcome b = run("-put", "-t", "4", "-q", "2", "t", "copy4");
    cr_assert_eq(a.code, 0, "%s", a.err);
    cr_assert_eq(b.code, 0, "%s", b.err);
    expect_file("copy/u/7", "t/u/7");
    expect_file("copy4/u/19", "t/u/19");
    expect_file("copy4/18", "t/18");
}

Test(commands, a_folder_does_not_go_into_itself)
{
    mkdir("t", 0755);
    mkdir("t/u", 0755);
    auto_outcome a = run("-cp", "t", "t/u");
    auto_outcome b = run("-mv", "t", "t/u");
    cr_assert_eq(a.code, 1);
    cr_assert_str_eq(a.err, "cp: `t' to `t/u/t': is a subdirectory of itself\n");
    cr_assert_eq(b.code, 1);
}

Test(commands, preserve_keeps_times_and_modes)
{
    struct stat st;
    write_file("f", "x");
    chmod("f", 0640);
    auto_outcome t = run("-touch", "-t", "20200102:030405", "f");
    auto_outcome c = run("-cp", "-ptp", "f", "g");
    cr_assert_eq(t.code, 0);
    cr_assert_eq(c.code, 0, "%s", c.err);
    struct stat of;
    cr_assert_eq(stat("f", &of), 0);
    cr_assert_eq(stat("g", &st), 0);
    cr_assert_eq(st.st_mtime, of.st_mtime);
    cr_assert_eq(st.st_mode & 0777, 0640);
}

Test(commands, rm_wants_r_for_folders)
{
    mkdir("d", 0755);
    auto_outcome a = run("-rm", "d");
    auto_outcome b = run("-rm", "-r", "d");
    auto_outcome c = run("-rm", "-f", "d");
    auto_outcome d = run("-rm", "d");
    cr_assert_str_eq(a.err, "rm: `d': Is a directory\n");
    cr_assert_eq(a.code, 1);
    cr_assert_str_eq(b.out, "Deleted d\n");
    cr_assert_eq(c.code, 0);
    cr_assert_eq(d.code, 1);
    cr_assert_str_eq(d.err, "rm: `d': No such file or directory\n");
}

Test(commands, stat_formats)
{
    write_file("f", "12345");
    chmod("f", 0644);
    auto_outcome a = run("-stat", "%a %A %b %F %n %r %% %q 100%", "f");
    auto_outcome b = run("-stat", "%n");
    cr_assert_str_eq(a.out, "644 rw-r--r-- 5 regular file f 1 % q 100\n");
    cr_assert_eq(b.code, 255);
}

Test(commands, test_answers_by_its_code)
{
    write_file("empty", "");
    static const struct {
        const char *flag, *name;
        int code;
    } cases[] = {{"-e", "empty", 0}, {"-e", "none", 1},  {"-d", "empty", 1}, {"-f", "empty", 0},
                 {"-z", "empty", 0}, {"-s", "empty", 1}, {"-d", ".", 0},     {"-r", "empty", 0}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        auto_outcome o = run("-test", cases[i].flag, cases[i].name);
        cr_assert_eq(o.code, cases[i].code, "%s %s", cases[i].flag, cases[i].name);
    }
}

Test(commands, find_by_name)
{
    mkdir("d", 0755);
    write_file("d/One.txt", "");
    write_file("d/two.txt", "");
    auto_outcome a = run("-find", "d", "-name", "*.txt", "-a", "-name", "t*");
    auto_outcome b = run("-find", "d", "-iname", "one*", "-print0");
    auto_outcome c = run("-find", "d", "-what");
    cr_assert_str_eq(a.out, "d/two.txt\n");
    cr_assert_str_eq(b.out, "d/One.txt");
    cr_assert_eq(c.code, 1);
    cr_assert_str_eq(c.err, "find: Unexpected argument: -what\n");
}

Test(commands, ls_sorts)
{
    mkdir("d", 0755);
    write_file("d/small", "1");
    write_file("d/large", "12345");
    auto_outcome a = run("-ls", "-C", "-S", "d");
    auto_outcome b = run("-ls", "-C", "d");
    auto_outcome c = run("-ls", "-C", "-r", "d");
    cr_assert_str_eq(a.out, "d/large\nd/small\n");
    cr_assert_str_eq(b.out, "d/large\nd/small\n");
    cr_assert_str_eq(c.out, "d/small\nd/large\n");
}

Test(commands, getmerge_leaves_nothing_when_a_source_is_missing)
{
    write_file("a", "1");
    write_file("b", "2");
    auto_outcome x = run("-getmerge", "-nl", "a", "b", "both");
    auto_outcome y = run("-getmerge", "a", "none", "other");
    cr_assert_eq(x.code, 0);
    expect_file("both", "1\n2\n");
    cr_assert_eq(y.code, 1);
    cr_assert_eq(access("other", F_OK), -1);
}

Test(commands, every_row_has_help_and_fits_the_parser)
{
    for (size_t i = 0; i < fs_command_count; i++) {
        const struct command *c = &fs_commands[i];
        cr_assert_not_null(c->run);
        cr_assert(c->replacement[0] != '\0' || c->help[0] != '\0', "%s", c->name);
        auto_outcome o = run("-help", c->name);
        cr_assert_eq(o.code, 0);
    }
}

/* The page is made by `dfs --man`; it must not lag behind the table. */
Test(man_page, is_what_the_program_prints)
{
    const char *path = SOURCE_DIR "/docs/man/dfs.1";
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "%s", path);
    char *want = NULL;
    size_t want_size = 0;
    FILE *out = open_memstream(&want, &want_size);
    struct shell sh;
    shell_init(&sh, NULL, fs_commands, fs_command_count);
    help_man(&sh, out);
    shell_fini(&sh);
    fclose(out);
    char *have = text_alloc(want_size + 2);
    size_t have_size = fread(have, 1, want_size + 1, f);
    fclose(f);
    cr_assert(have_size == want_size && memcmp(have, want, want_size) == 0,
              "docs/man/dfs.1 is old: dfs --man > docs/man/dfs.1");
    free(want);
    free(have);
}
