/* discover: the spec table as documents. */
#pragma once
#include "proto/spec.h"
#include "proto/buf.h"

/* one line of JSON: the OpenRPC 1.3.2 document of rpc.discover */
void discover_openrpc(struct buf *out, const char *version);
void discover_markdown(struct buf *out);                     /* docs/protocol.md */
void discover_usage(struct buf *out, const struct spec_method *m); /* a method's help, for a terminal */
