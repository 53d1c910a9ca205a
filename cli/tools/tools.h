/* tools.h - `dfs oiv` and `dfs oev`: what lies in an image or a file of edits, without a NameNode.
 * Door of cli/tools. Both work on files of this machine only. */
#pragma once

/* argv[0] is the word itself; returns the exit code of the process. Options, texts and formats are
 * those of Hadoop's offline viewers. */
int oiv_run(int argc, char **argv);
int oev_run(int argc, char **argv);
