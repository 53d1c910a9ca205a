/* Calls of the administrator: open files page by page; and the audit line of a call with many
 * names. */
#include <stdio.h>

#include "fixture.h"

#include "namenode/audit/audit.h"

static struct fixture f;

static void setup(void)
{
    fixture_init(&f);
}

static void teardown(void)
{
    fixture_fini(&f);
}

TestSuite(admin, .init = setup, .fini = teardown);

static const Cp__ListOpenFilesResponse *open_files(int64_t after, const char *path,
                                                   Hdfs__OpenFilesType type)
{
    Cp__ListOpenFilesRequest req = CP__LIST_OPEN_FILES_REQUEST__INIT;
    req.id = after;
    req.path = (char *)path;
    req.types = &type;
    req.n_types = 1;
    cr_assert_eq(client_call(&f, CLIENT_listOpenFiles, &req.base), 0, "%s", f.call.err.text);
    return (const Cp__ListOpenFilesResponse *)f.call.response;
}

/* All pages; ids must rise. */
static size_t count_open(const char *path, size_t *ret_pages)
{
    size_t count = 0;
    int64_t after = 0;
    for (bool more = true; more; ++*ret_pages) {
        const Cp__ListOpenFilesResponse *page =
            open_files(after, path, HDFS__OPEN_FILES_TYPE__ALL_OPEN_FILES);
        for (size_t i = 0; i < page->n_entries; i++) {
            cr_assert_gt(page->entries[i]->id, after);
            after = page->entries[i]->id;
        }
        count += page->n_entries;
        more = page->has_more;
    }
    return count;
}

Test(admin, open_files_come_in_pages_and_below_a_path)
{
    enum { FILES = 5000 };
    char path[64], client[32];
    f.settings.max_dir_items = FILES;
    do_mkdirs(&f, "/d/e");
    do_mkdirs(&f, "/dd");
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof(path), "%s/f%d", i % 5 == 0 ? "/d/e" : "/dd", i);
        snprintf(client, sizeof(client), "c%d", (i * 31) % 17);
        cr_assert_eq(do_create(&f, path, client, 1), 0, "%s", f.call.err.text);
    }
    size_t pages = 0;
    cr_assert_eq(count_open(NULL, &pages), FILES);
    cr_assert_eq(pages, 5);
    pages = 0;
    cr_assert_eq(count_open("/", &pages), FILES);
    pages = 0;
    cr_assert_eq(count_open("/d", &pages), FILES / 5);
    cr_assert_eq(count_open("/d/e/f0", &pages), 1);
    cr_assert_eq(count_open("/nowhere", &pages), 0);
    cr_assert_eq(open_files(0, "/", HDFS__OPEN_FILES_TYPE__BLOCKING_DECOMMISSION)->n_entries, 0);
}

Test(admin, audit_of_a_concat_takes_no_more_room_than_its_names)
{
    enum { SOURCES = 3000 };
    static char *sources[SOURCES];
    struct audit_settings audit = {.separator = ","};
    Cp__ConcatRequest req = CP__CONCAT_REQUEST__INIT;
    for (size_t i = 0; i < SOURCES; i++)
        sources[i] = (char *)(i % 2 == 0 ? "/d/a" : "/d/bc");
    do_mkdirs(&f, "/d");
    cr_assert_eq(do_create(&f, "/d/target", "c", 1), 0);
    f.env.audit = &audit;
    f.user = "eve";
    f.rpc.user = "eve";
    req.trg = (char *)"/d/target";
    req.srcs = sources;
    req.n_srcs = 2;
    cr_assert_eq(client_call(&f, CLIENT_concat, &req.base), ERR_ACCESS);
    cr_assert_not_null(memmem(f.call.audit.data, f.call.audit.size,
                              "cmd=concat\tsrc=[/d/a, /d/bc]\tdst=/d/target\t", 43));
    req.n_srcs = SOURCES;
    cr_assert_eq(client_call(&f, CLIENT_concat, &req.base), ERR_ACCESS);
    cr_assert_gt(f.call.audit.size, SOURCES * 6);
    cr_assert_lt(f.rpc.arena.total, 1 << 20);
}
