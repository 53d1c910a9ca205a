/* shared.c - libdfs.so says which version it is; the rest comes from the rooms. */
extern const char dfs_version[];
const char dfs_version[] = HADRON_VERSION;
