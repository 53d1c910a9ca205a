/* racks.c - on which rack a machine stands: a table file, a script, or nothing (/default-rack).
 *
 * The script is called with one address and prints a rack; its answers are remembered for ever, as
 * Hadoop does, until a node is refused with its rack. Thread: any. The lock guards the table of
 * known hosts; the script runs without it.
 */
#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM             1
#define HASH_FUNCTION(key, size, out) HASH_FNV(key, size, out) /* no switch that falls through */
#include <uthash.h>

#include "common/conf/conf.h"
#include "common/obs/obs.h"
#include "namenode/nodes/nodes.h"
#include "namenode/server/internal.h"

enum { MAX_TABLE_BYTES = 64 << 20, MAX_HOSTS = 1 << 20, SCRIPT_TIME_MS = 30000, MAX_ANSWER = 4096 };
enum { FAILURE_LASTS_MS = 60000 }; /* for clients; a node that registers is always asked for */

extern char **environ;

struct host {
    UT_hash_handle hh;
    char *name, *rack;
    int64_t failed_until_ms; /* 0: known; else the rack is the default one for so long */
};

struct racks {
    pthread_mutex_t lock; /* guards hosts */
    struct host *hosts;
    char *script; /* NULL: none */
    bool none;    /* neither script nor table: all are on the default rack */
};

static bool rack_valid(const char *rack)
{
    size_t n = strlen(rack);
    return rack[0] == '/' && n > 1 && n <= NODE_TEXT_MAX && rack[n - 1] != '/';
}

static void host_free(struct host *h)
{
    if (h == NULL)
        return;
    free(h->name);
    free(h->rack);
    free(h);
}

/* The lock is held, or nobody else has r yet. */
static int remember(struct racks *r, const char *name, const char *rack, int64_t failed_until_ms)
{
    struct host *h;
    HASH_FIND_STR(r->hosts, name, h);
    if (h != NULL && h->failed_until_ms != 0) {
        HASH_DEL(r->hosts, h);
        host_free(h);
        h = NULL;
    }
    if (h != NULL || HASH_COUNT(r->hosts) >= MAX_HOSTS)
        return 0;
    h = calloc(1, sizeof(*h));
    if (h != NULL && (h->name = strdup(name)) != NULL && (h->rack = strdup(rack)) != NULL) {
        h->failed_until_ms = failed_until_ms;
        HASH_ADD_KEYPTR(hh, r->hosts, h->name, strlen(h->name), h);
        if (h->hh.tbl != NULL)
            return 0;
    }
    host_free(h);
    return ERR_NO_MEMORY;
}

static int add_line(struct racks *r, const char *path, char *line, struct err *err)
{
    char *rest = NULL;
    line[strcspn(line, "#\r")] = '\0';
    char *name = strtok_r(line, " \t", &rest);
    char *rack = name == NULL ? NULL : strtok_r(NULL, " \t", &rest);
    if (name == NULL)
        return 0;
    if (rack == NULL || !rack_valid(rack))
        return fail(err, ERR_CONFIG, "%s: host %s has no rack like /rack1", path, name);
    return remember(r, name, rack, 0) == 0 ? 0 : fail(err, ERR_NO_MEMORY, "no memory for %s", path);
}

static int load_table(struct racks *r, const char *path, struct err *err)
{
    struct buf b = {0};
    int rc = file_read(path, MAX_TABLE_BYTES, &b, err);
    if (rc == 0 && buf_append(&b, "", 1) != 0)
        rc = fail(err, ERR_NO_MEMORY, "no memory for %s", path);
    char *rest = (char *)buf_head(&b), *line;
    while (rc == 0 && (line = strsep(&rest, "\n")) != NULL)
        rc = add_line(r, path, line, err);
    buf_fini(&b);
    return rc;
}

int racks_new(const struct conf *conf, struct racks **ret, struct err *err)
{
    const char *script = conf_str(conf, CONF_topology_script);
    const char *table = conf_str(conf, CONF_topology_table);
    bool by_table = strstr(conf_str(conf, CONF_topology_impl), "TableMapping") != NULL;
    struct racks *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for racks");
    pthread_mutex_init(&r->lock, NULL);
    int rc = 0;
    if (table[0] != '\0' && (by_table || script[0] == '\0'))
        rc = load_table(r, table, err);
    else if (script[0] != '\0' && (r->script = strdup(script)) == NULL)
        rc = fail(err, ERR_NO_MEMORY, "no memory for racks");
    r->none = script[0] == '\0' && table[0] == '\0';
    if (rc != 0) {
        racks_free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

void racks_free(struct racks *r)
{
    if (r == NULL)
        return;
    struct host *h, *next;
    HASH_ITER(hh, r->hosts, h, next)
    {
        HASH_DEL(r->hosts, h);
        host_free(h);
    }
    pthread_mutex_destroy(&r->lock);
    free(r->script);
    free(r);
}

void racks_forget(struct racks *r, const char *host)
{
    struct host *h;
    if (r->script == NULL)
        return; /* a table is read at start */
    pthread_mutex_lock(&r->lock);
    HASH_FIND_STR(r->hosts, host, h);
    if (h != NULL) {
        HASH_DEL(r->hosts, h);
        host_free(h);
    }
    pthread_mutex_unlock(&r->lock);
}

bool racks_cached(struct racks *r, const char *host, bool is_node, struct arena *arena,
                  const char **ret)
{
    *ret = DEFAULT_RACK;
    if (r->none)
        return true;
    pthread_mutex_lock(&r->lock);
    struct host *h;
    HASH_FIND_STR(r->hosts, host, h);
    if (h != NULL && h->failed_until_ms != 0 &&
        (is_node || h->failed_until_ms < clock_monotonic_ms()))
        h = NULL; /* it is asked again */
    *ret = h != NULL ? arena_strdup(arena, h->rack) : r->script == NULL ? DEFAULT_RACK : NULL;
    pthread_mutex_unlock(&r->lock);
    return *ret != NULL;
}

/* Reads what the script prints until it ends or the time is up. */
static size_t read_answer(int fd, char *out, size_t size)
{
    int64_t end_ms = clock_monotonic_ms() + SCRIPT_TIME_MS;
    size_t got = 0;
    while (got + 1 < size) {
        int64_t left = end_ms - clock_monotonic_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            return 0;
        ssize_t n = read(fd, out + got, size - 1 - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    out[got] = '\0';
    return got;
}

static int spawn_script(const char *script, const char *host, int out_fd, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    char *argv[] = {(char *)(uintptr_t)script, (char *)(uintptr_t)host, NULL};
    int eno = posix_spawnp(ret, script, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return eno;
}

/* The first word that the script prints; false: it failed. */
static bool ask_script(const char *script, const char *host, char out[MAX_ANSWER])
{
    int fds[2];
    pid_t pid;
    if (pipe2(fds, O_CLOEXEC) != 0)
        return false;
    int eno = spawn_script(script, host, fds[1], &pid);
    close(fds[1]);
    size_t got = eno == 0 ? read_answer(fds[0], out, MAX_ANSWER) : 0;
    close(fds[0]);
    if (eno != 0)
        return false;
    int status = 0;
    if (got == 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    out[got] = '\0';
    char *word = out + strspn(out, " \t\r\n");
    word[strcspn(word, " \t\r\n")] = '\0';
    memmove(out, word, strlen(word) + 1);
    return status == 0 && rack_valid(out);
}

const char *racks_find(struct racks *r, const char *host, bool is_node, struct arena *arena)
{
    const char *known;
    if (racks_cached(r, host, is_node, arena, &known))
        return known;
    char answer[MAX_ANSWER] = "";
    if (r->script == NULL || !ask_script(r->script, host, answer)) {
        log_warn("Unresolved topology mapping. Using " DEFAULT_RACK
                 " for host %s script=%s answer=%s",
                 log_quote(host), r->script != NULL ? r->script : "", log_quote(answer));
        pthread_mutex_lock(&r->lock);
        (void)remember(r, host, DEFAULT_RACK, clock_monotonic_ms() + FAILURE_LASTS_MS);
        pthread_mutex_unlock(&r->lock);
        return DEFAULT_RACK;
    }
    pthread_mutex_lock(&r->lock);
    (void)remember(r, host, answer, 0); /* without memory it is asked again */
    pthread_mutex_unlock(&r->lock);
    const char *rack = arena_strdup(arena, answer);
    return rack != NULL ? rack : DEFAULT_RACK;
}
