/* limits.h: bounds that several programs use. Sizes in bytes. */
#ifndef COMMON_LIMITS_H
#define COMMON_LIMITS_H

/* names and headers of a request */
#define LIMIT_NAME      63          /* letters of a function's name */
#define LIMIT_HEAD      (32 * 1024) /* request target and header fields together */
#define LIMIT_FIELDS    100         /* header fields of a request or a response */
#define LIMIT_METHOD    64          /* letters of a request's method */
#define LIMIT_CALL_ID   64          /* letters of an X-Call-Id */
#define LIMIT_RESP_HEAD (16 * 1024) /* header fields of a response, encoded */

/* the channel: see channel.h */
#define LIMIT_RING       (256 * 1024)            /* one ring; a multiple of the page */
#define LIMIT_FRAME_BODY (64 * 1024)             /* body bytes in one frame */
#define LIMIT_FRAME_HEAD (LIMIT_HEAD + 4 * 1024) /* an encoded request head */
#define LIMIT_FRAME      (LIMIT_FRAME_HEAD + LIMIT_FRAME_BODY + 64)
#define LIMIT_RING_WARM                                                                            \
    (24 * 1024) /* beyond this, an empty ring is used from its start: channel.c */

#define LIMIT_OUTPUT      (1024 * 1024) /* what an instance has printed and nobody has taken yet */
#define LIMIT_OUTPUT_WARM (16 * 1024)   /* an empty ring of output is restarted beyond this */

/* administration */
#define LIMIT_DEPLOY_BODY  (32 * 1024 * 1024)
#define LIMIT_SAVED_JSON   (5 * 1024 * 1024)   /* names of files and settings of a saved version */
#define LIMIT_SAVED_BODY   (136 * 1024 * 1024) /* a saved version: sources, object, these */
#define LIMIT_JSON_BODY    (256 * 1024)
#define LIMIT_BUNDLE_FILES 4096
#define LIMIT_BUNDLE_BYTES (64 * 1024 * 1024) /* expanded */
#define LIMIT_OBJECT       (64 * 1024 * 1024) /* a built function */
#define LIMIT_OBJECT_SPAN  (INT64_C(8) << 30) /* address space of one that is loaded */
#define LIMIT_DIAGNOSTICS  (256 * 1024)       /* what the compiler may say */
#define LIMIT_BUILD_CACHE  (32 * 1024 * 1024) /* object files kept for one function */
#define LIMIT_LIBS         16
#define LIMIT_LIB_NAME     31
#define LIMIT_ENV          (16 * 1024) /* the env of a function, encoded */
#define LIMIT_CORS         512         /* the origins of the setting cors, and their commas */
#define LIMIT_NETWORK      1024 /* the destinations of the setting network, and their commas */
#define LIMIT_CONNECTIONS  100  /* open ones of one instance */

/* the host */
#define LIMIT_INSTANCES        4096
#define LIMIT_LOG_LINE         2048
#define LIMIT_FUNCTION_THREADS 64 /* threads of one instance */
#define LIMIT_THREADS          64

#endif
