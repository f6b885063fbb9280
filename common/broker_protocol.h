/* broker_protocol.h: the messages of the broker, the process that makes the connections of
 * functions: sandbox/broker. Each side has a SOCK_SEQPACKET pair with it; one message in a packet.
 * What a worker sends is hostile: each is copied by the kernel before it is checked.
 */
#ifndef COMMON_BROKER_PROTOCOL_H
#define COMMON_BROKER_PROTOCOL_H

#include <netinet/in.h>
#include <stdint.h>

#include "destination.h"
#include "limits.h"

#define BROKER_VERSION 1

enum broker_type {
    /* worker to broker */
    BROKER_SOCKET = 1, /* answered by a broker_reply with the socket */
    BROKER_CONNECT,    /* with the socket; answered by a broker_reply */
    BROKER_RESOLVE,    /* with a socket, which gets a broker_addresses */
    /* launcher to broker */
    BROKER_GATEWAY,  /* with the socket of the gateway */
    BROKER_INSTANCE, /* with the socket of instance `id` */
    BROKER_BEAT,     /* sent back at once: it has not got stuck */
    /* gateway to broker */
    BROKER_POLICY, /* what instance `id` may do */
    BROKER_FORGET, /* it has ended */
    BROKER_LOOK,   /* answered by BROKER_USED for each of its connections, then BROKER_LOOKED */
    /* broker to gateway */
    BROKER_HELLO,  /* it was started: it knows no policy */
    BROKER_OPENED, /* a broker_event about instance `id`, as are all that follow */
    BROKER_FAILED,
    BROKER_REFUSED, /* `count` of them: not listed */
    BROKER_LIMITED, /* `count` of them: `connections`, or a bound of the host */
    BROKER_CLOSED,  /* only id and number */
    BROKER_USED,
    BROKER_LOOKED /* only id */
};

struct broker_head {
    uint16_t version;
    uint16_t type;
    uint32_t length; /* of the whole message */
    uint64_t id;     /* of an instance; a worker's is not looked at */
};

struct broker_socket {
    struct broker_head head;
    int32_t domain, type, protocol; /* as of socket(2) */
};

struct broker_connect {
    struct broker_head head;
    uint32_t left_ms; /* after that a connection that does not come about is given up */
    uint32_t address_bytes;
    struct sockaddr_storage address;
};

struct broker_resolve {
    struct broker_head head;
    char host[DESTINATION_HOST]; /* ended by a NUL */
};

struct broker_reply {
    int32_t status; /* 0, or a negative errno */
};

#define BROKER_ADDRESSES 16

struct broker_addresses {
    int32_t status; /* 0, or EAI_…: EAI_SYSTEM is EACCES */
    uint32_t count;
    struct in6_addr list[BROKER_ADDRESSES]; /* IPv4 as ::ffff:a.b.c.d; in the order of RFC 6724 */
};

struct broker_policy {
    struct broker_head head;
    uint32_t connections; /* that may be open at once */
    uint32_t none;
    char list[LIMIT_NETWORK]; /* destinations, separated by commas; ended by a NUL */
};

struct broker_event {
    struct broker_head head;
    uint64_t number;             /* of the connection */
    uint64_t inode;              /* of its socket */
    uint64_t sent, received;     /* bytes; UINT64_MAX: the kernel does not count them (unix) */
    uint32_t count;              /* REFUSED, LIMITED */
    int32_t status;              /* FAILED, REFUSED, LIMITED: an errno, positive; 0: unknown */
    char text[DESTINATION_TEXT]; /* the destination */
};

/* Any of them, and bytes enough to receive one. */
union broker_message {
    struct broker_head head;
    struct broker_socket socket;
    struct broker_connect connect;
    struct broker_resolve resolve;
    struct broker_policy policy;
    struct broker_event event;
};

/* Fills the head. */
#define BROKER_HEAD(kind, message, number)                                                         \
    {                                                                                              \
        .version = BROKER_VERSION, .type = (kind), .length = (uint32_t)sizeof(message),            \
        .id = (number)                                                                             \
    }

/* Bytes of a message of this type; 0 for an unknown one. */
static inline uint32_t
broker_size(unsigned type)
{
    switch (type) {
    case BROKER_SOCKET:
        return sizeof(struct broker_socket);
    case BROKER_CONNECT:
        return sizeof(struct broker_connect);
    case BROKER_RESOLVE:
        return sizeof(struct broker_resolve);
    case BROKER_POLICY:
        return sizeof(struct broker_policy);
    case BROKER_GATEWAY:
    case BROKER_INSTANCE:
    case BROKER_BEAT:
    case BROKER_FORGET:
    case BROKER_LOOK:
    case BROKER_HELLO:
    case BROKER_LOOKED:
        return sizeof(struct broker_head);
    case BROKER_OPENED:
    case BROKER_FAILED:
    case BROKER_REFUSED:
    case BROKER_LIMITED:
    case BROKER_CLOSED:
    case BROKER_USED:
        return sizeof(struct broker_event);
    default:
        return 0;
    }
}

/* Whether n bytes are a message of a type from `first` to `last`. */
static inline bool
broker_is(const union broker_message *msg, size_t n, unsigned first, unsigned last)
{
    return n >= sizeof msg->head && msg->head.version == BROKER_VERSION &&
           msg->head.type >= first && msg->head.type <= last && msg->head.length == n &&
           broker_size(msg->head.type) == n;
}

#endif
