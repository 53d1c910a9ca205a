/* dispatch.c - finds the command, runs it, turns its outcome into messages and an exit code.
 * Thread: the command's; shell_error from any. */
#include <signal.h>
#include <stdlib.h>

#include "cli/shell/shell.h"
#include "common/base/base.h"

enum { EXIT_USAGE = 255, EXIT_INTERRUPTED = 130 };

static volatile sig_atomic_t interrupted;

void shell_interrupt(void)
{
    interrupted = 1;
}

bool shell_interrupted(void)
{
    return interrupted != 0;
}

void shell_init(struct shell *sh, struct stores *stores, const struct command *table,
                size_t table_size)
{
    *sh = (struct shell){
        .stores = stores, .out = stdout, .err = stderr, .table = table, .table_size = table_size};
    CHECK(pthread_mutex_init(&sh->lock, NULL) == 0);
}

void shell_fini(struct shell *sh)
{
    pthread_mutex_destroy(&sh->lock);
}

const struct command *shell_find(const struct shell *sh, const char *name)
{
    for (size_t i = 0; i < sh->table_size; i++)
        if (strcmp(sh->table[i].name, name) == 0)
            return &sh->table[i];
    return NULL;
}

static void message(struct shell *sh, const char *text, bool counts)
{
    pthread_mutex_lock(&sh->lock);
    (void)fflush(sh->out); /* keeps the order of both streams on a terminal */
    fprintf(sh->err, "%s: %.*s\n", sh->command->name, (int)strcspn(text, "\n"), text);
    if (counts)
        sh->errors++;
    pthread_mutex_unlock(&sh->lock);
}

void shell_error(struct shell *sh, const struct err *err)
{
    message(sh, err->text, true);
}

void shell_warn(struct shell *sh, const char *text)
{
    message(sh, text, false);
}

/* "-ls: Illegal option -Z", then what would be right. */
static int usage_error(struct shell *sh, const char *name, const char *text)
{
    (void)fflush(sh->out);
    while (*text != '\0') {
        int n = (int)strcspn(text, "\n");
        fprintf(sh->err, "-%s: %.*s\n", name, n, text);
        text += n;
        text += strspn(text, "\n");
    }
    help_usage(sh, sh->err);
    if (sh->command != NULL)
        help_usage_of(sh, sh->command, sh->err);
    return EXIT_USAGE;
}

static int run_command(struct shell *sh, struct args *args)
{
    struct err err = {0};
    if (sh->command->replacement[0] != '\0') {
        auto_text text =
            text_printf("DEPRECATED: Please use '%s' instead.", sh->command->replacement);
        shell_warn(sh, text);
    }
    int rc = sh->command->run(sh, args, &err);
    if (rc == ERR_ILLEGAL_ARGUMENT)
        return usage_error(sh, sh->command->name, err.text);
    if (rc == ERR_INTERRUPTED || shell_interrupted()) {
        shell_warn(sh, "Interrupted");
        return EXIT_INTERRUPTED;
    }
    if (rc != 0)
        shell_error(sh, &err);
    if (fflush(sh->out) != 0 || ferror(sh->out)) {
        err = (struct err){0};
        (void)fail(&err, ERR_IO, "Unable to write to output stream.");
        shell_error(sh, &err);
    }
    return sh->errors > 0 ? 1 : sh->exit_code;
}

int shell_run(struct shell *sh, int argc, char **argv)
{
    sh->command = NULL;
    if (argc < 1) {
        help_usage(sh, sh->err);
        return EXIT_USAGE;
    }
    const char *name = argv[0][0] == '-' ? argv[0] + 1 : argv[0];
    sh->command = shell_find(sh, name);
    if (sh->command == NULL)
        return usage_error(sh, name, "Unknown command");
    size_t count = (size_t)argc - 1;
    char **copy = text_alloc((count + 2) * sizeof(*copy));
    memcpy(copy, argv + 1, count * sizeof(*copy));
    struct args args = {.at = copy, .count = count};
    int code = run_command(sh, &args);
    text_free(copy);
    return code;
}
