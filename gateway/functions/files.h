/* files.h: files and folders below an open folder. No link is followed. Unless told otherwise, a
 * function returns 0 or a negative errno. */
#ifndef GATEWAY_FILES_H
#define GATEWAY_FILES_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define FILES_TEMPORARY                                                                            \
    ".%s.tmp"                 /* where files_replace writes; it stays where that is broken off */
#define FILES_ENTRY_BYTES 512 /* of an inode */

/* -1 with errno. */
int files_open_dir(int at, const char *path);
/* For reading its entries: with a position of its own, which a dup would share. NULL with errno. */
DIR *files_list(int fd);
/* At most `most` bytes, and a NUL. From malloc; NULL with errno. len: how many there were. */
char *files_read_all(int dir, const char *path, size_t most, size_t *len);
char *files_read(int dir, const char *path, size_t most);
/* A file, or a folder with all that is in it. 0 where there is none. */
int files_remove_tree(int at, const char *name);

int files_write_all(int fd, const void *bytes, size_t len);
int files_write_unsynced(int dir, const char *name, const void *bytes, size_t len, mode_t mode);
/* Synced; its name in the folder is not. */
int files_write(int dir, const char *name, const void *bytes, size_t len, mode_t mode);
/* Syncs a folder with all that is in it. */
int files_sync_tree(int dir);
/* In one step, and synced: the old file or the new one, whatever happens. */
int files_replace(int dir, const char *name, const void *bytes, size_t len, mode_t mode);

/* On disk. What is not written yet has no blocks, and counts by its size. */
int64_t files_bytes(const struct stat *st);
int64_t files_tree_bytes(int dir);

#endif
