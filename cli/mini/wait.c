/* wait.c - until when a small cluster runs: a signal, or the end of a command.
 * SIGINT, SIGTERM and SIGCHLD are blocked in all threads and taken by this one, so no handler runs
 * anywhere. Thread: main's. */
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/mini/internal.h"

enum { EXIT_NOT_FOUND = 127, EXIT_SIGNAL = 128 };

static void wanted(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGHUP);
    (void)sigaddset(set, SIGCHLD);
}

void mini_signals_block(void)
{
    sigset_t set;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    wanted(&set);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

/* The command starts as if from a shell: nothing blocked, nothing ignored. */
static int start(char **command, pid_t *ret)
{
    posix_spawnattr_t attr;
    sigset_t none, pipe;
    (void)sigemptyset(&none);
    (void)sigemptyset(&pipe);
    (void)sigaddset(&pipe, SIGPIPE);
    int rc = posix_spawnattr_init(&attr);
    if (rc != 0)
        return rc;
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setsigdefault(&attr, &pipe);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    rc = posix_spawnp(ret, command[0], NULL, &attr, command, environ);
    (void)posix_spawnattr_destroy(&attr);
    return rc;
}

static int code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNAL + WTERMSIG(status);
}

int mini_wait(char **command)
{
    sigset_t set;
    pid_t child = 0;
    wanted(&set);
    if (command != NULL) {
        int rc = start(command, &child);
        if (rc != 0) {
            fprintf(stderr, "dfs mini: %s: %s\n", command[0], strerror(rc));
            return EXIT_NOT_FOUND;
        }
    }
    for (;;) {
        int number = 0, status;
        CHECK(sigwait(&set, &number) == 0);
        if (child == 0 && number != SIGCHLD)
            return 0;
        if (child != 0 && waitpid(child, &status, WNOHANG) == child)
            return code_of(status);
        if (number == SIGTERM || number == SIGHUP)
            (void)kill(child, number); /* ^C reaches it by the terminal */
    }
}
