/* main.c - dfs-mount: HDFS as a folder of this machine. */
#include "common/obs/obs.h"
#include "fuse/internal.h"

int main(int argc, char **argv)
{
    struct mount_options options = {0};
    struct err err = {0};
    log_init("mount");
    if (options_parse(argc, argv, &options, &err) != 0) {
        fprintf(stderr, "dfs-mount: %s\n", err.text);
        options_fini(&options);
        return 2;
    }
    int rc = 0;
    if (options.help)
        options_print_help(stdout);
    else if (options.version)
        printf("dfs-mount %s\n", HADRON_VERSION);
    else
        rc = mount_run(&options) == 0 ? 0 : 1;
    options_fini(&options);
    return rc;
}
