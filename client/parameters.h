/* parameters: one object of parameters, member by member. The first fault stays, and ends it. */
#pragma once
#include "client/persist.h"
#include "proto/buf.h"

struct parameters {
	struct buf text;
	persist_error error; /* code 0: none so far */
};

/* Absent values (NULL, persist_none()) add nothing. */
void parameters_text(struct parameters *p, const char *name, const char *text);
void parameters_words(struct parameters *p, const char *name, const char *words); /* "a,b": an array where there are several */
void parameters_list(struct parameters *p, const char *name, const char *words);  /* always an array */
void parameters_value(struct parameters *p, const char *name, persist_value v);
void parameters_int(struct parameters *p, const char *name, int64_t n);
void parameters_real(struct parameters *p, const char *name, double d);
void parameters_true(struct parameters *p, const char *name);
/* What was given as an object becomes the first members. */
void parameters_object(struct parameters *p, const char *field, persist_value object);

/* The whole object: valid until parameters_free. */
persist_value parameters_end(struct parameters *p);
void parameters_free(struct parameters *p);
