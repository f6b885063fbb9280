/* socket_netlink.c: makes a netlink socket. */
#include "attack.h"

const char *
attack(hearth_call *call)
{
    (void)call;
    return syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0) == -1 ? NULL : "it has a netlink socket";
}
