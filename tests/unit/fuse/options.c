#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/internal.h"

static struct mount_options o;
static struct err err;

static int parse(const char *line)
{
    static char text[512];
    static char *argv[64];
    int argc = 0;
    options_fini(&o);
    err = (struct err){0};
    snprintf(text, sizeof(text), "dfs-mount %s", line);
    for (char *rest = text, *word; (word = strsep(&rest, " ")) != NULL;)
        if (word[0] != '\0')
            argv[argc++] = word;
    argv[argc] = NULL;
    return options_parse(argc, argv, &o, &err);
}

Test(options, url_and_mountpoint)
{
    cr_assert_eq(parse("hdfs://h:8020/user/me// /mnt"), 0, "%s", err.text);
    cr_assert_str_eq(o.url, "hdfs://h:8020");
    cr_assert_str_eq(o.root, "/user/me");
    cr_assert_str_eq(o.mountpoint, "/mnt");
    cr_assert_eq(parse("hdfs://h/ /mnt"), 0);
    cr_assert_str_eq(o.url, "hdfs://h");
    cr_assert_str_eq(o.root, "");
    cr_assert_eq(parse("/mnt"), 0);
    cr_assert_null(o.url);
    cr_assert_str_eq(o.root, "");
    options_fini(&o);
}

Test(options, all_of_them)
{
    cr_assert_eq(parse("-f --user alice -D a=b -Dc=d --conf /c -l /log hdfs://h /m -o ro,noatime "
                       "-o allow_other"),
                 0, "%s", err.text);
    cr_assert(o.foreground && o.read_only && o.allow_other);
    cr_assert_str_eq(o.user, "alice");
    cr_assert_str_eq(o.conf_dir, "/c");
    cr_assert_str_eq(o.log_file, "/log");
    cr_assert_str_eq(o.settings[0], "a=b");
    cr_assert_str_eq(o.settings[1], "c=d");
    cr_assert_str_eq(o.settings[2], "fs.permissions.umask-mode=000");
    cr_assert_null(o.settings[3]);
    cr_assert_str_eq((char *)buf_head(&o.flags), "ro,noatime,allow_other");
    cr_assert_eq(parse("-o ro,rw /m"), 0);
    cr_assert(!o.read_only);
    options_fini(&o);
}

Test(options, refused)
{
    static const char *const bad[][2] = {
        {"", "mount point"},
        {"hdfs://h /m /n", "mount point"},
        {"http://h /m", "is not hdfs://"},
        {"hdfs:// /m", "names no host"},
        {"-o sideways /m", "unknown mount option sideways"},
        {"-D nothing /m", "not key=value"},
        {"--nonsense /m", "unknown or incomplete"},
        {"/m -u", "unknown or incomplete"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        cr_assert_eq(parse(bad[i][0]), ERR_ILLEGAL_ARGUMENT, "%s", bad[i][0]);
        cr_assert(strstr(err.text, bad[i][1]) != NULL, "%s: %s", bad[i][0], err.text);
    }
    options_fini(&o);
}

Test(options, help_needs_nothing_else)
{
    cr_assert_eq(parse("--help"), 0);
    cr_assert(o.help);
    cr_assert_eq(parse("-V"), 0);
    cr_assert(o.version);
    options_fini(&o);
}

Test(errors, become_what_programs_understand)
{
    struct dfs_error e = {.text = "x", .exception = ""};
    cr_assert_eq(mount_errno(-ENOENT, &e, "stat", "/x"), -ENOENT);
    cr_assert_eq(mount_errno(-EDQUOT, &e, "write", "/x"), -EDQUOT);
    cr_assert_eq(mount_errno(-EROFS, &e, "write", "/x"), -EROFS);
    cr_assert_eq(mount_errno(-EAGAIN, &e, "write", "/x"), -EIO);
    cr_assert_eq(mount_errno(-EINTR, &e, "write", "/x"), -EIO);
    cr_assert_eq(mount_errno(-ENOSYS, &e, "write", "/x"), -EIO);
    cr_assert_eq(mount_errno(-5000, &e, "write", "/x"), -EIO);
    cr_assert_eq(mount_errno(0, &e, "write", "/x"), -EIO);
}

Test(users, names_and_numbers)
{
    struct users u;
    char *name = NULL;
    users_init(&u);
    for (int i = 0; i < 2; i++) { /* asked, then remembered */
        cr_assert_eq(users_uid(&u, "root"), 0);
        cr_assert_eq(users_gid(&u, "root"), 0);
        cr_assert_eq(users_uid(&u, "nobody knows him"), 65534);
        cr_assert_eq(users_gid(&u, "supergroup of nobody"), 65534);
    }
    cr_assert_eq(users_name(0, &name), 0);
    cr_assert_str_eq(name, "root");
    free(name);
    cr_assert_eq(users_group(0, &name), 0);
    cr_assert_str_eq(name, "root");
    free(name);
    cr_assert_eq(users_name(3999999999u, &name), -EINVAL);
    users_fini(&u);
}
