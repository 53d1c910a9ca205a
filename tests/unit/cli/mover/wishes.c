/* wishes.c - what a block lacks by its policy, and where its replicas may go. */
#include <criterion/criterion.h>

#include "cli/mover/internal.h"

static const struct dfs_storage_policy one_ssd = {.types = {DFS_SSD, DFS_DISK}},
                                       cold = {.types = {DFS_ARCHIVE}},
                                       lazy = {.types = {DFS_RAM_DISK, DFS_DISK}};

static struct type_list list(size_t count, int a, int b, int c)
{
    return (struct type_list){{a, b, c}, count};
}

Test(wishes, types_of_a_policy)
{
    struct type_list l;
    wish_types(&one_ssd, 3, &l);
    cr_assert(l.count == 3 && l.items[0] == DFS_SSD && l.items[1] == DFS_DISK &&
              l.items[2] == DFS_DISK);
    wish_types(&cold, 2, &l);
    cr_assert(l.count == 2 && l.items[1] == DFS_ARCHIVE);
    wish_types(&lazy, 2, &l);
    cr_assert(l.count == 2 && l.items[0] == DFS_DISK, "memory is nobody's target");
    wish_types(&one_ssd, 1, &l);
    cr_assert(l.count == 1 && l.items[0] == DFS_SSD);
}

Test(wishes, differences)
{
    struct type_list want = list(3, DFS_SSD, DFS_DISK, DFS_DISK);
    struct type_list have = list(3, DFS_DISK, DFS_DISK, DFS_DISK);
    cr_assert(!wish_differs_not(&want, &have));
    cr_assert(want.count == 1 && want.items[0] == DFS_SSD);
    cr_assert(have.count == 1 && have.items[0] == DFS_DISK);
    want = list(2, DFS_DISK, DFS_DISK, 0);
    have = list(1, DFS_DISK, 0, 0);
    cr_assert(wish_differs_not(&want, &have), "too few replicas are the NameNode's business");
    want = list(1, DFS_DISK, 0, 0);
    have = list(1, DFS_RAM_DISK, 0, 0);
    cr_assert(wish_differs_not(&want, &have), "what is in memory stays");
}

Test(wishes, targets)
{
    struct move_node items[3] = {{.rack = (char *)(uintptr_t) "/a", .in_service = true},
                                 {.rack = (char *)(uintptr_t) "/b", .in_service = true},
                                 {.rack = (char *)(uintptr_t) "/b", .in_service = true}};
    struct move_nodes nodes = {items, 3};
    struct wish_block b = {
        .nodes = {0, 1}, .types = {DFS_DISK, DFS_DISK}, .count = 2, .length = 10};
    for (size_t i = 0; i < 3; i++)
        items[i].types[DFS_ARCHIVE] = (struct move_space){.there = true, .most_remaining = 10};
    cr_assert(wish_target_fits(&b, &nodes, 0, 0, DFS_ARCHIVE, WISH_SAME_NODE));
    cr_assert(!wish_target_fits(&b, &nodes, 0, 0, DFS_SSD, WISH_SAME_NODE), "has none");
    cr_assert(wish_target_fits(&b, &nodes, 1, 2, DFS_ARCHIVE, WISH_SAME_RACK));
    cr_assert(!wish_target_fits(&b, &nodes, 0, 2, DFS_ARCHIVE, WISH_ELSEWHERE), "fewer racks");
    cr_assert(!wish_target_fits(&b, &nodes, 0, 1, DFS_ARCHIVE, WISH_ELSEWHERE), "is there");
    items[2].types[DFS_ARCHIVE].most_remaining = 9;
    cr_assert(!wish_target_fits(&b, &nodes, 1, 2, DFS_ARCHIVE, WISH_SAME_RACK), "no room");
}
