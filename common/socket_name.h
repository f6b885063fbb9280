/* socket_name.h: the address of a bound socket, as options name it. */
#ifndef COMMON_SOCKET_NAME_H
#define COMMON_SOCKET_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* "127.0.0.1:8080", "[::1]:8080" or "unix:/PATH". False with an empty text: it has none. */
bool socket_name(int fd, char *text, size_t n);

#endif
