/* args: a call's parameters, written as JSON text from what a program passes, and checked.
 *
 * The first argument that cannot be sent is the one that is told: PERSIST_E_ARGUMENT with its name in `field`;
 * what comes after it is passed over. Whether the daemon likes the values is the daemon's to say. */
#pragma once
#include "client/persist.h"
#include "proto/buf.h"

/* Levels of nesting that are left for parameters: the request around them, and a batch around that. */
enum { ARGS_DEPTH = 127, ARGS_DEPTH_BATCH = 126 };

struct args {
	struct buf text;
	persist_error *error; /* code 0: none so far */
	size_t count;
};

void args_begin(struct args *a, persist_error *error);   /* parameters by name: an object */
/* The same in memory that is there already; `text` takes it over. */
void args_begin_in(struct args *a, struct buf *memory, persist_error *error);
void args_given(struct args *a, const char *name, const char *value); /* must be there */
/* NULL and persist_none(): left out, in those below. */
void args_text(struct args *a, const char *name, const char *value);
void args_texts(struct args *a, const char *name, const char *values, bool always_list); /* "a,b" */
void args_whole(struct args *a, const char *name, int64_t value);
void args_real(struct args *a, const char *name, double value);
void args_bool(struct args *a, const char *name, bool value);
void args_value(struct args *a, const char *name, persist_value value);
/* Must be there: an object, whose members become parameters beside the others. */
void args_members(struct args *a, const char *name, persist_value object);
void args_refuse(struct args *a, const char *name, const char *expected, const char *message);
/* What stands between the two becomes an object within. */
void args_open(struct args *a, const char *name);
void args_close(struct args *a);
int args_end(struct args *a); /* the error's code; 0: `text` is the object */
void args_free(struct args *a);

/* Parameters as the caller has them: an object, an array, or none (nothing is added). 0, or the error's
 * code. */
int args_params(struct buf *out, persist_value params, unsigned depth, persist_error *error);
/* A name or a text that goes out as a JSON string must be UTF-8. 0 or the error's code. */
int args_utf8(const char *name, const char *value, persist_error *error);
